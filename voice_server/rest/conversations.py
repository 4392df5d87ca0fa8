"""Conversations: listed, made, read, changed, put away, exported."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from voice_server.core.caller import Caller
from voice_server.core.wire import Changes, TemplateChoice
from voice_server.rest.context import RestContext
from voice_server.rest.fields import (
    Details,
    Limit,
    LongText,
    Name,
    Offset,
    PathId,
    Text,
    UserId,
    Variables,
    moment,
)
from voice_server.rest.identity import identifier, named_user, user_of
from voice_server.store.conversations import (
    Conversation,
    ConversationChanges,
    NewConversation,
    NewMessage,
    StoredMessage,
)

UNTITLED = "New conversation"
_NEWEST_MESSAGES = 200
_EXPORT_PAGE = 500

Order = Literal["asc", "desc"]
StatusFilter = Literal["active", "archived", "all"]
ExportFormat = Literal["json", "markdown", "text"]


class AppliedTemplate(BaseModel):
    """The template of a conversation."""

    name: str
    variables: dict[str, str]


class ConversationInfo(BaseModel):
    """A conversation, without its messages. `metadata` is the caller's own."""

    id: str
    title: str
    description: str | None
    model: str | None
    system_prompt: str | None
    template: AppliedTemplate | None
    status: str
    user_id: str
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    message_count: int


class MessageInfo(BaseModel):
    """A message. Of a spoken reply `content` is what was heard of it, `written` the whole of it."""

    id: str
    role: str
    content: str
    created_at: str
    spoken: bool
    written: str | None
    is_complete: bool | None
    language: str | None
    confidence: float | None
    heard_ms: float | None
    timings: dict[str, Any]
    providers: dict[str, Any]
    cost: float | None
    metadata: dict[str, Any]


class AddedMessage(MessageInfo):
    """A message that was added, and where."""

    conversation_id: str


class ConversationList(BaseModel):
    """A page of conversations."""

    conversations: list[ConversationInfo]
    total: int
    limit: int
    offset: int


class MessageList(BaseModel):
    """A page of a conversation's messages, oldest first."""

    conversation_id: str
    title: str
    messages: list[MessageInfo]
    total: int
    limit: int
    offset: int


class WholeConversation(ConversationInfo):
    """A conversation with its newest 200 messages, oldest first."""

    messages: list[MessageInfo]


class FoundConversation(BaseModel):
    """The conversation that was asked for."""

    conversation: WholeConversation


class ConversationRequest(BaseModel):
    """What a conversation begins with. Its model and prompt hold for all its turns, spoken and typed."""

    title: Text | None = None
    description: Text | None = None
    model: Name | None = None
    system_prompt: LongText | None = None
    metadata: Details = Field(default_factory=dict)
    user_id: Name | None = None


class ConversationPatch(BaseModel):
    """What is to change; what is absent stays, null takes away."""

    title: Text | None = None
    description: Text | None = None
    model: Name | None = None
    system_prompt: LongText | None = None
    metadata: Details | None = None


class MessageRequest(BaseModel):
    """A message to add. No answer is generated."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[LongText, Field(min_length=1)]
    metadata: Details = Field(default_factory=dict)


class TemplateApplication(BaseModel):
    """The template that a conversation is to use from its next turn on."""

    template_name: Name
    variables: Variables = Field(default_factory=dict)


class TemplateApplied(BaseModel):
    """It does."""

    status: Literal["success"] = "success"
    conversation_id: str
    template: str


class Deleted(BaseModel):
    """It is gone."""

    status: Literal["success"] = "success"
    message: str


def conversation_routes(context: RestContext) -> APIRouter:
    """The routes; those of one conversation in both spellings, `/conversation/…` and `/conversations/…`."""
    router = APIRouter(tags=["conversations"])
    store = context.conversations
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.get("/conversations")
    async def list_conversations(
        request: Request,
        caller: Identified,
        user_id: UserId = None,
        limit: Limit = 10,
        offset: Offset = 0,
        status: StatusFilter = "active",
        order: Order = "desc",
    ) -> ConversationList:
        """By their last change. Of `user_id`, else of `X-Session-ID`, else all of the key's owner."""
        page = await store.page(
            caller.owner,
            user_id=named_user(request, user_id),
            status=None if status == "all" else status,
            newest_first=order == "desc",
            limit=limit,
            offset=offset,
        )
        found = [conversation_info(one) for one in page.items]
        return ConversationList(conversations=found, total=page.total, limit=limit, offset=offset)

    @router.post("/conversations")
    async def create_conversation(
        request: Request, caller: Identified, wish: ConversationRequest
    ) -> ConversationInfo:
        """Begin a conversation."""
        new = NewConversation(
            owner=caller.owner,
            user_id=user_of(request, caller, wish.user_id),
            title=wish.title,
            description=wish.description,
            model=wish.model,
            system_prompt=wish.system_prompt,
            details=wish.metadata,
        )
        return conversation_info(await store.create(new))

    for prefix in ("/conversations", "/conversation"):
        router.include_router(_routes_of_one(context), prefix=prefix + "/{conversation_id}")
    return router


def _routes_of_one(context: RestContext) -> APIRouter:
    router = APIRouter()
    store = context.conversations
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.get("")
    async def get_conversation(conversation_id: PathId, caller: Identified) -> FoundConversation:
        """A conversation with its newest messages."""
        conversation, messages = await store.newest(caller.owner, conversation_id, _NEWEST_MESSAGES)
        return FoundConversation(
            conversation=WholeConversation(
                **conversation_info(conversation).model_dump(),
                messages=[message_info(one) for one in messages],
            )
        )

    @router.patch("")
    async def update_conversation(
        conversation_id: PathId, caller: Identified, wish: ConversationPatch
    ) -> ConversationInfo:
        """Change it. A new prompt or model holds from the next turn on, in sessions that are open too."""
        changes: ConversationChanges = {}
        for name in wish.model_fields_set - {"metadata"}:
            changes[name] = getattr(wish, name)  # type: ignore[literal-required]  # the names are the same
        if "metadata" in wish.model_fields_set:
            changes["details"] = wish.metadata or {}
        changed = await store.change(caller.owner, conversation_id, changes)
        if wish.system_prompt is not None or wish.model is not None:
            await context.live.change(
                caller.owner,
                conversation_id,
                Changes(system_prompt=wish.system_prompt, model=wish.model),
            )
        return conversation_info(changed)

    @router.delete("")
    async def delete_conversation(conversation_id: PathId, caller: Identified) -> Deleted:
        """Delete it with its messages and their feedback, for good."""
        await store.delete(caller.owner, conversation_id)
        return Deleted(message="Conversation deleted successfully")

    @router.post("/archive")
    async def archive_conversation(conversation_id: PathId, caller: Identified) -> ConversationInfo:
        """Put it away: it is no longer in the list of active ones."""
        return conversation_info(await store.change(caller.owner, conversation_id, {"status": "archived"}))

    @router.post("/restore")
    async def restore_conversation(conversation_id: PathId, caller: Identified) -> ConversationInfo:
        """Take it out again."""
        return conversation_info(await store.change(caller.owner, conversation_id, {"status": "active"}))

    @router.get("/messages")
    async def list_messages(
        conversation_id: PathId, caller: Identified, limit: Limit = 50, offset: Offset = 0
    ) -> MessageList:
        """Its messages, oldest first."""
        conversation, messages = await store.messages(
            caller.owner, conversation_id, limit=limit, offset=offset
        )
        return MessageList(
            conversation_id=conversation.id,
            title=conversation.title or UNTITLED,
            messages=[message_info(one) for one in messages],
            total=conversation.message_count,
            limit=limit,
            offset=offset,
        )

    @router.post("/messages")
    async def add_message(conversation_id: PathId, caller: Identified, wish: MessageRequest) -> AddedMessage:
        """Add a message as if it had been said. No answer is generated."""
        message = NewMessage(wish.role, wish.content, details=wish.metadata)
        (added,) = await store.add(caller.owner, conversation_id, [message])
        return AddedMessage(**message_info(added).model_dump(), conversation_id=conversation_id)

    @router.post("/template")
    async def apply_template(
        conversation_id: PathId, caller: Identified, wish: TemplateApplication
    ) -> TemplateApplied:
        """Use this template from the next turn on, in sessions that are open too."""
        await context.templates.render(caller.owner, wish.template_name, wish.variables)
        changes: ConversationChanges = {
            "template": wish.template_name,
            "template_variables": wish.variables,
        }
        await store.change(caller.owner, conversation_id, changes)
        choice = TemplateChoice(wish.template_name, wish.variables)
        await context.live.change(caller.owner, conversation_id, Changes(template=choice))
        return TemplateApplied(conversation_id=conversation_id, template=wish.template_name)

    @router.get("/export", response_model=None, responses=_EXPORTS)
    async def export_conversation(
        conversation_id: PathId,
        caller: Identified,
        format: Annotated[ExportFormat, Query()] = "json",
    ) -> Response:
        """The whole conversation as JSON, markdown or plain text."""
        conversation = await store.get(caller.owner, conversation_id)
        messages = [one async for one in _all_messages(context, conversation)]
        if format == "json":
            info = conversation_info(conversation).model_dump()
            listed = [message_info(one).model_dump() for one in messages]
            return JSONResponse({"conversation": info, "messages": listed})
        if format == "markdown":
            return PlainTextResponse(_markdown(conversation, messages), media_type="text/markdown")
        return PlainTextResponse(_plain_text(conversation, messages))

    return router


_EXPORTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/markdown": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
        }
    }
}


def conversation_info(one: Conversation) -> ConversationInfo:
    """As callers see it."""
    template = None
    if one.template is not None:
        template = AppliedTemplate(name=one.template, variables=dict(one.template_variables))
    return ConversationInfo(
        id=one.id,
        title=one.title or UNTITLED,
        description=one.description,
        model=one.model,
        system_prompt=one.system_prompt,
        template=template,
        status=one.status,
        user_id=one.user_id,
        metadata=dict(one.details),
        created_at=moment(one.created_at_ms),
        updated_at=moment(one.updated_at_ms),
        message_count=one.message_count,
    )


def message_info(one: StoredMessage) -> MessageInfo:
    """As callers see it."""
    return MessageInfo(
        id=one.id,
        role=one.role,
        content=one.content,
        created_at=moment(one.created_at_ms),
        spoken=one.spoken,
        written=one.written,
        is_complete=one.is_complete,
        language=one.language,
        confidence=one.confidence,
        heard_ms=one.heard_ms,
        timings=dict(one.timings),
        providers=dict(one.providers),
        cost=one.cost,
        metadata=dict(one.details),
    )


async def _all_messages(context: RestContext, conversation: Conversation) -> AsyncIterator[StoredMessage]:
    offset = 0
    while True:
        _, page = await context.conversations.messages(
            conversation.owner, conversation.id, limit=_EXPORT_PAGE, offset=offset
        )
        for message in page:
            yield message
        if len(page) < _EXPORT_PAGE:
            return
        offset += _EXPORT_PAGE


def _markdown(conversation: Conversation, messages: Sequence[StoredMessage]) -> str:
    parts = [f"# {conversation.title or UNTITLED}"]
    parts += [
        f"**{one.role.capitalize()}** ({moment(one.created_at_ms)})\n\n{one.content}" for one in messages
    ]
    return "\n\n".join(parts) + "\n"


def _plain_text(conversation: Conversation, messages: Sequence[StoredMessage]) -> str:
    lines = [f"Conversation: {conversation.title or UNTITLED}"]
    lines += [f"{moment(one.created_at_ms)} {one.role}: {one.content}" for one in messages]
    return "\n".join(lines) + "\n"
