"""A WebSocket to ElevenLabs that speaks JSON; the SDK has no asynchronous one for speech."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

from voice_server.providers.elevenlabs.errors import GarbledError
from voice_server.providers.elevenlabs.options import ElevenLabsOptions

_LARGEST_MESSAGE_BYTES = 16 << 20  # seconds of audio in base64, with the time of every character


class Socket:
    """Messages of both directions as objects."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises `ConnectionClosed`."""
        await self._connection.send(json.dumps(message))

    async def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        """Until the server says good-bye.

        Raises:
            ConnectionClosed: it left without.
            GarbledError: a message that is none.
        """
        try:
            while True:
                message = await self._connection.recv()
                try:
                    told = json.loads(message)
                except ValueError as error:
                    raise GarbledError("a message is not JSON") from error
                if not isinstance(told, dict):
                    raise GarbledError("a message is not an object")
                yield told
        except ConnectionClosedOK:
            return


@asynccontextmanager
async def open_socket(
    options: ElevenLabsOptions, path: str, query: Mapping[str, str]
) -> AsyncIterator[Socket]:
    """Connect; leaving drops the connection at once, because nobody waits for a good-bye at a barge-in.

    Raises:
        InvalidHandshake, OSError: it cannot be opened.
    """
    url = urlsplit(options.base_url)
    scheme = "wss" if url.scheme == "https" else "ws"
    address = f"{scheme}://{url.netloc}{url.path.rstrip('/')}{quote(path)}?{urlencode(query)}"
    connection = await connect(
        address,
        additional_headers={"xi-api-key": options.api_key},
        compression=None,
        max_size=_LARGEST_MESSAGE_BYTES,
        open_timeout=None,  # deadlines are the session's
        ping_interval=None,
    )
    try:
        yield Socket(connection)
    finally:
        connection.transport.abort()
        await connection.wait_closed()
