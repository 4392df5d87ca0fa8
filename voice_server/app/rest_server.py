"""The REST port's server: uvicorn, as we start and stop it."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from voice_server.rest.api import create_api
from voice_server.rest.context import RestContext
from voice_server.rest.upgraded import UpgradedConnection
from voice_server.settings import Settings


class RestServer(uvicorn.Server):
    """uvicorn, without its own handling of signals: sockets are drained before it is told to exit."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_listening = asyncio.Event()

    async def start(self, listener: socket.socket) -> asyncio.Task[None]:
        """Listen; gives what lasts until it has exited."""
        serving = asyncio.create_task(self.serve([listener]), name="rest")
        listening = asyncio.create_task(self._is_listening.wait(), name="rest listens")
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            listening.cancel()
            serving.result()
        return serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._is_listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process's signals are ours."""
        yield


def rest_server(context: RestContext, settings: Settings) -> RestServer:
    """The API of this context, not started yet."""
    limits = settings.limits
    config = uvicorn.Config(
        create_api(context),
        host=settings.host,
        port=settings.rest_port,
        log_config=None,
        access_log=False,
        ws=UpgradedConnection,
        ws_max_size=limits.clip_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=limits.ping_s,
        ws_ping_timeout=limits.dead_after_s,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        lifespan="off",
    )
    return RestServer(config)
