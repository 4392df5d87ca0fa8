"""Bounds request bodies before they are read."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_server.rest.context import RestLimits
from voice_server.rest.errors import error_answer

_AUDIO_PATHS = ("/api/voice/stt",)
_UPLOAD_PATHS = ("/api/transcribe",)


class _TooLarge(Exception):
    pass


class BodyLimit:
    """ASGI middleware: 413 for a body that is too large, by its header or as it comes."""

    def __init__(self, app: ASGIApp, limits: RestLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most(scope["path"])
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            await self._refuse(most, scope, receive, send)
            return
        came, has_begun = 0, False

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > most:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal has_begun
            if came > most and not has_begun:
                return  # the framework takes our exception for a body that it cannot read, and says so
            has_begun = True
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except _TooLarge:
            if has_begun:
                raise
        if came > most and not has_begun:
            await self._refuse(most, scope, receive, send)

    async def _refuse(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        sentence = f"The request body is larger than the {most} bytes that are taken here."
        await error_answer(scope, sentence, "too_large", 413)(scope, receive, send)

    def _most(self, path: str) -> int:
        path = path.replace("/api/v1/", "/api/", 1)
        if path.startswith(_UPLOAD_PATHS):
            return self._limits.upload_bytes
        return self._limits.audio_bytes if path.startswith(_AUDIO_PATHS) else self._limits.json_bytes
