"""WebSockets that come in by the REST port: made into plain sockets and handed on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voice_server.errors import LimitError, SocketClosed
from voice_server.rest.context import RestContext, RestLimits
from voice_server.rest.upgraded import ABORT

_CLOSE_S = 5.0
PATHS = ("/", "/ws", "/v1/ws", "/voice/stream/{session_id}")


class StarletteSocket:
    """A socket over a Starlette WebSocket. `limits` bounds what a stranger may send."""

    def __init__(self, websocket: WebSocket, limits: RestLimits) -> None:
        self._websocket = websocket
        self._stranger_bytes: int | None = limits.stranger_bytes

    async def receive(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise SocketClosed(is_clean=message.get("code") == 1000)
        text: str | None = message.get("text")
        content: str | bytes = text if text is not None else message["bytes"]
        if self._stranger_bytes is not None:
            self._stranger_bytes -= len(content.encode() if isinstance(content, str) else content)
            if self._stranger_bytes < 0:
                await self.close(1009, "too much before a valid init")
                raise SocketClosed(is_clean=False)
        return content

    async def send(self, *messages: str | bytes) -> None:
        try:
            for message in messages:
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: closed from our side
            raise SocketClosed(is_clean=False) from error

    def shortcut(self, take: Callable[[bytes], bool]) -> None:
        pass  # uvicorn has none

    async def close(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    with suppress(WebSocketDisconnect, RuntimeError):  # the peer was quicker
                        await self._websocket.close(code, reason)
            except TimeoutError:  # it takes nothing, no good-bye either
                self._websocket.scope["extensions"][ABORT]["call"]()

    def hold(self) -> None:
        pass  # only what is received is counted

    def release(self) -> None:
        pass

    def admit(self) -> None:
        self._stranger_bytes = None


def socket_routes(context: RestContext) -> APIRouter:
    """A route for each path that speaks WebSocket."""
    router = APIRouter()

    async def accept(websocket: WebSocket) -> None:
        client = websocket.client
        asked = (
            websocket.url.path,
            websocket.url.query,
            {name.lower(): value for name, value in websocket.headers.items()},
            client.host if client else "",
        )
        refused = context.sockets.judge(*asked)
        if refused is not None:
            answer = PlainTextResponse(refused.message, refused.status, dict(refused.headers))
            await websocket.send_denial_response(answer)
            return
        await websocket.accept()
        accepted = StarletteSocket(websocket, context.limits)
        try:
            await context.sockets.serve(accepted, *asked)
        except LimitError as error:  # others took the last place since it was judged
            await accepted.close(1013, error.message)

    for path in PATHS:
        router.add_api_websocket_route(path, accept)
    return router
