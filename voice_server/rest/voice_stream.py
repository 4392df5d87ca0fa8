"""`POST /api/voice/stream`: the ticket for a socket at `/voice/stream/{session_id}`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, StringConstraints

from voice_server.core.caller import Caller, Scope
from voice_server.core.wire import Changes
from voice_server.rest.context import RestContext
from voice_server.rest.fields import NO_NUL
from voice_server.rest.identity import identifier, named_user
from voice_server.services.voice_streams import LIFETIME_MS

Wish = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]


class VoiceStreamRequest(BaseModel):
    """What is wished for the stream; a name that is not configured is served by the default."""

    user_id: Wish | None = None
    model: Wish | None = None
    conversation_id: Wish | None = None
    stt_model: Wish = "whisper"
    tts_model: Wish = "openai_tts"
    voice_id: Wish = "default"
    language_code: Wish = "en-US"


class VoiceStreamTicket(BaseModel):
    """Connect to `/voice/stream/{session_id}` with the token as Bearer, within `expires_in_s`."""

    session_id: str
    token: str
    expires_in_s: float


class VoiceStreamEnded(BaseModel):
    """Always a success: the socket ends by itself."""

    status: Literal["success"] = "success"
    session_id: str


def voice_stream_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/voice/stream", tags=["voice"])
    identify = identifier(context, Scope.VOICE)

    @router.post("")
    async def open_voice_stream(
        request: Request, wish: VoiceStreamRequest, caller: Annotated[Caller, Depends(identify)]
    ) -> VoiceStreamTicket:
        """Ask for a voice stream."""
        voice = None if wish.voice_id == "default" else wish.voice_id
        changes = Changes(model=wish.model, tts_voice=voice, language_code=wish.language_code)
        ticket = context.voice_streams.issue(
            caller, named_user(request, wish.user_id), wish.conversation_id, changes
        )
        return VoiceStreamTicket(
            session_id=ticket.session_id, token=ticket.token, expires_in_s=LIFETIME_MS / 1000
        )

    @router.post("/{session_id}/end")
    async def end_voice_stream(session_id: str) -> VoiceStreamEnded:
        """Tell that the client is done. It may still hold its socket open, so nothing here waits for that."""
        return VoiceStreamEnded(session_id=session_id)

    return router
