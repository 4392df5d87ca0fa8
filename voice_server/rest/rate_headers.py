"""Tells in every answer to a keyed request how much of its limits is left."""

import math

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_server.errors import LimitError
from voice_server.services.rates import RateState

RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Budget-Warning")
_KEY = "voice_server.headers"


def note_rate(request: Request, state: RateState | None) -> None:
    """Have the answer tell it. `X-RateLimit-Reset` is in seconds from now."""
    if state is not None:
        counts = (state.limit, state.remaining, math.ceil(state.reset_s))
        _note(request, dict(zip(RATE_HEADERS, map(str, counts), strict=False)))


def note_budget(request: Request, warning: LimitError | None) -> None:
    """Have the answer tell it."""
    if warning is not None:
        _note(request, {RATE_HEADERS[3]: warning.message})


def _note(request: Request, headers: dict[str, str]) -> None:
    request.scope.setdefault("state", {}).setdefault(_KEY, {}).update(headers)


class RateHeaders:
    """ASGI middleware: works for every kind of answer, errors and streams too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        noted: dict[str, str] = {}
        scope.setdefault("state", {})[_KEY] = noted

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and noted:
                MutableHeaders(scope=message).update(noted)
            await send(message)

        await self._app(scope, receive, told)
