"""`/api/sessions`: the voice sessions that are open now."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from voice_server.core.caller import Caller
from voice_server.errors import NotFoundError
from voice_server.rest.context import RestContext
from voice_server.rest.fields import Limit, Offset, PathId, moment
from voice_server.rest.identity import identifier
from voice_server.session.session import Session


class SessionInfo(BaseModel):
    """An open session. `turns` are those that have ended; `is_connected` is false while it may be resumed."""

    id: str
    user_id: str
    conversation_id: str
    since: str
    turns: int
    state: str
    is_connected: bool


class SessionList(BaseModel):
    """One's own open sessions, the oldest first."""

    sessions: list[SessionInfo]
    total: int
    limit: int
    offset: int


class SessionEnded(BaseModel):
    """Its client is told and disconnected."""

    status: Literal["success"] = "success"
    id: str


def session_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/sessions", tags=["sessions"])
    Identified = Annotated[Caller, Depends(identifier(context, counted=False))]

    @router.get("")
    async def list_sessions(caller: Identified, limit: Limit = 50, offset: Offset = 0) -> SessionList:
        """Which sessions are open."""
        own = context.live.of(caller.owner)
        shown = own[offset : offset + limit]
        return SessionList(sessions=[_info(one) for one in shown], total=len(own), limit=limit, offset=offset)

    @router.delete("/{session_id}")
    async def end_session(session_id: PathId, caller: Identified) -> SessionEnded:
        """End a session."""
        for one in context.live.of(caller.owner):
            if one.id == session_id:
                one.end("ended_by_owner")
                return SessionEnded(id=session_id)
        raise NotFoundError("This session is not known, or has ended.")

    return router


def _info(one: Session) -> SessionInfo:
    return SessionInfo(
        id=one.id,
        user_id=one.user_id,
        conversation_id=one.conversation_id,
        since=moment(round(one.began_at.timestamp() * 1000)),
        turns=one.turns,
        state=one.state,
        is_connected=one.is_connected,
    )
