"""Gives every request an id, which its answer carries."""

import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
_KEY = "voice_server.request_id"


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The id of a request; made when it is first asked for."""
    made: str = scope.setdefault(_KEY, f"req_{secrets.token_hex(8)}")
    return made


class RequestIds:
    """ASGI middleware: the id as a header of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, marked)
