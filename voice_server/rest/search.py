"""`POST /api/search/…` and `POST /api/conversations/{id}/search`: by meaning, by names and by numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, StringConstraints

from voice_server.core.caller import Caller
from voice_server.rest.context import RestContext
from voice_server.rest.conversations import UNTITLED
from voice_server.rest.fields import NO_NUL, Id, Name, PathId, moment
from voice_server.rest.identity import identifier, named_user
from voice_server.services.search import Hit
from voice_server.store.search import Scope

Query = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=NO_NUL)
]


class ConversationSearch(BaseModel):
    """What to look for; `limit` and `offset` page through the results, of which there are 1,000 at most."""

    query: Query
    limit: Annotated[int, Field(ge=1, le=200)] = 10
    offset: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0


class UserSearch(ConversationSearch):
    """`user_id`: whose conversations; else those of `X-Session-ID`, else all of the key's."""

    user_id: Name | None = None


class MessageSearch(UserSearch):
    """`conversation_id`: within this conversation."""

    conversation_id: Id | None = None


class ConversationHit(BaseModel):
    """A conversation, by the message in it that fits best. `snippet` is a line of that message."""

    conversation_id: str
    title: str
    created_at: str
    updated_at: str
    similarity_score: float
    snippet: str


class MessageHit(BaseModel):
    """A message. `snippet` is the line of it that fits."""

    message_id: str
    conversation_id: str
    role: str
    content: str
    created_at: str
    similarity_score: float
    snippet: str


class FoundConversations(BaseModel):
    """The most similar first."""

    results: list[ConversationHit]
    limit: int
    offset: int


class FoundMessages(BaseModel):
    """The most similar first."""

    results: list[MessageHit]
    limit: int
    offset: int


def search_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["search"])
    search = context.search
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.post("/search/conversations")
    async def search_conversations(
        request: Request, caller: Identified, wish: UserSearch
    ) -> FoundConversations:
        """Find conversations by what was said in them."""
        scope = Scope(caller.owner, named_user(request, wish.user_id))
        hits = await search.conversations(scope, wish.query, wish.limit, wish.offset)
        return FoundConversations(
            results=[_conversation(hit) for hit in hits], limit=wish.limit, offset=wish.offset
        )

    @router.post("/search/messages")
    async def search_messages(request: Request, caller: Identified, wish: MessageSearch) -> FoundMessages:
        """Find messages by what they say. With `conversation_id`, whoever of the key's users it is of."""
        user_id = wish.user_id if wish.conversation_id else named_user(request, wish.user_id)
        scope = Scope(caller.owner, user_id, wish.conversation_id)
        hits = await search.messages(scope, wish.query, wish.limit, wish.offset)
        return FoundMessages(results=[_message(hit) for hit in hits], limit=wish.limit, offset=wish.offset)

    @router.post("/conversations/{conversation_id}/search")
    @router.post("/conversation/{conversation_id}/search")
    async def search_conversation(
        conversation_id: PathId, caller: Identified, wish: ConversationSearch
    ) -> FoundMessages:
        """Find messages of one conversation."""
        scope = Scope(caller.owner, None, conversation_id)
        hits = await search.messages(scope, wish.query, wish.limit, wish.offset)
        return FoundMessages(results=[_message(hit) for hit in hits], limit=wish.limit, offset=wish.offset)

    return router


def _conversation(hit: Hit) -> ConversationHit:
    return ConversationHit(
        conversation_id=hit.message.conversation_id,
        title=hit.message.title or UNTITLED,
        created_at=moment(hit.message.conversation_created_at_ms),
        updated_at=moment(hit.message.conversation_updated_at_ms),
        similarity_score=round(hit.similarity, 4),
        snippet=hit.snippet,
    )


def _message(hit: Hit) -> MessageHit:
    return MessageHit(
        message_id=hit.message.id,
        conversation_id=hit.message.conversation_id,
        role=hit.message.role,
        content=hit.message.content,
        created_at=moment(hit.message.created_at_ms),
        similarity_score=round(hit.similarity, 4),
        snippet=hit.snippet,
    )
