"""Typed turns: `/chat`, and `/chat/completions` in a shape that clients of OpenAI, Zeebee and SEEYOU read."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from voice_server.core.caller import Caller
from voice_server.errors import ProtocolError, VoiceServerError
from voice_server.rest.context import RestContext
from voice_server.rest.errors import error_body
from voice_server.rest.fields import Details, Id, LongText, Name, Variables
from voice_server.rest.identity import identifier, user_of
from voice_server.rest.presence import while_present
from voice_server.services.chat import ChatWish, TemplateWish
from voice_server.services.layouts import laid_out
from voice_server.services.turn import Turn
from voice_server.store.conversations import NewMessage

Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=1, le=32_768)]
StopText = Annotated[LongText, Field(min_length=1, max_length=200)]

_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_DONE = "data: [DONE]\n\n"


class TemplateRequest(BaseModel):
    """A template to take the system prompt from."""

    name: Name
    variables: Variables = Field(default_factory=dict)


class ChatRequest(BaseModel):
    """A message. Without `conversation_id` a conversation begins, with this prompt or template as its own."""

    message: Annotated[LongText, Field(min_length=1)]
    model: Name | None = None
    user_id: Name | None = None
    conversation_id: Id | None = None
    system_prompt: LongText | None = None
    template: TemplateRequest | None = None
    temperature: Temperature | None = None
    max_tokens: Tokens | None = None


class ChatReply(BaseModel):
    """The reply, under both names that clients know; `model` and `provider` are who really answered."""

    message: str
    response: str
    conversation_id: str
    message_id: str
    model: str
    provider: str


class TextPart(BaseModel):
    """A piece of a message's text."""

    type: Literal["text"]
    text: LongText


class InMessage(BaseModel):
    """A message of the prompt."""

    role: Literal["system", "developer", "user", "assistant"]
    content: LongText | Annotated[list[TextPart], Field(max_length=100)]

    @property
    def text(self) -> str:
        """All of its text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class CompletionRequest(BaseModel):
    """A prompt. With `conversation_id` the messages kept there come first, and of `messages` count the system
    message and what follows the last reply; without it `messages` are what the new conversation begins with.

    `top_p` and the penalties are taken and have no effect.
    """

    messages: Annotated[list[InMessage], Field(min_length=1, max_length=500)]
    model: Name | None = None
    stream: bool = False
    conversation_id: Id | None = None
    user_id: Name | None = None
    user: Name | None = None
    temperature: Temperature | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    stop: StopText | Annotated[list[StopText], Field(max_length=16)] | None = None
    template: TemplateRequest | None = None
    layout: Name | None = None
    metadata: Details | None = None


class OutMessage(BaseModel):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str


class CompletionChoice(BaseModel):
    """The one reply there is."""

    index: int = 0
    message: OutMessage
    finish_reason: Literal["stop", "length"]


class Usage(BaseModel):
    """What the model counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """The reply. `usage` is null where the provider does not count; `layout_data` is there if asked for."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    provider: str
    choices: list[CompletionChoice]
    usage: Usage | None
    conversation_id: str
    message_id: str
    message: str
    response: str
    layout_data: dict[str, Any] | None = None


_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The reply; with `stream` as `data: {…}` lines that end with `data: [DONE]`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def chat_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["chat"])
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.post("/chat")
    async def chat(request: Request, caller: Identified, wish: ChatRequest) -> ChatReply:
        """Say something and be answered."""
        turn = await context.chat.begin(
            caller,
            ChatWish(
                messages=[NewMessage("user", wish.message)],
                user_id=user_of(request, caller, wish.user_id),
                conversation_id=wish.conversation_id,
                model=wish.model,
                system_prompt=wish.system_prompt or None,
                template=_template(wish.template),
                temperature=wish.temperature,
                max_tokens=wish.max_tokens,
            ),
        )
        text = await _whole(request, turn)
        return ChatReply(
            message=text,
            response=text,
            conversation_id=turn.conversation_id,
            message_id=turn.message_id,
            model=turn.model,
            provider=turn.provider,
        )

    @router.post("/chat/completion", response_model=Completion, responses=_STREAMED)
    @router.post("/chat/completions", response_model=Completion, responses=_STREAMED)
    async def complete(
        request: Request, caller: Identified, wish: CompletionRequest
    ) -> Completion | Response:
        """Answer a prompt, whole or as it is written."""
        turn = await context.chat.begin(caller, _wish(request, caller, wish))
        if wish.stream:
            return await _stream(request, turn, lambda: _completion_events(turn, wish.layout))
        text = await _whole(request, turn)
        return Completion(
            id=turn.message_id,
            created=int(time.time()),
            model=turn.model,
            provider=turn.provider,
            choices=[CompletionChoice(message=OutMessage(content=text), finish_reason=_finish_reason(turn))],
            usage=_usage(turn),
            conversation_id=turn.conversation_id,
            message_id=turn.message_id,
            message=text,
            response=text,
            layout_data=laid_out(wish.layout, text) if wish.layout else None,
        )

    return router


def chat_stream_routes(context: RestContext) -> APIRouter:
    """`/v1/chat/completions/stream`, in the shape that Zeebee's page on streaming tells."""
    router = APIRouter(tags=["chat"])
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.post("/v1/chat/completions/stream", response_model=None, responses=_STREAMED)
    async def stream_completion(request: Request, caller: Identified, wish: CompletionRequest) -> Response:
        """Answer a prompt as it is written."""
        turn = await context.chat.begin(caller, _wish(request, caller, wish))
        return await _stream(request, turn, lambda: _page_events(turn))

    return router


class Events:
    """The shape of a stream: what is said for each piece, and at the end."""

    def __init__(self, piece: Callable[[str], dict[str, Any]], last: Callable[[], dict[str, Any]]) -> None:
        self.piece = piece
        self.last = last


def _completion_events(turn: Turn, layout: str | None) -> Events:
    common = {
        "id": turn.message_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": turn.model,
        "provider": turn.provider,
        "conversation_id": turn.conversation_id,
        "message_id": turn.message_id,
    }

    def event(text: str, delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        is_final = finish_reason is not None
        return {**common, "choices": [choice], "chunk": text, "text": text, "is_final": is_final}

    def last() -> dict[str, Any]:
        usage = _usage(turn)
        ending = {**event("", {}, _finish_reason(turn)), "usage": usage.model_dump() if usage else None}
        return {**ending, "layout_data": laid_out(layout, turn.text)} if layout else ending

    return Events(lambda text: event(text, {"role": "assistant", "content": text}, None), last)


def _page_events(turn: Turn) -> Events:
    def event(content: str, **data: Any) -> dict[str, Any]:
        known = {"content": content, "model": turn.model, "provider": turn.provider}
        ids = {"conversation_id": turn.conversation_id, "message_id": turn.message_id}
        return {"id": turn.message_id, "type": "chunk", **ids, "data": known | data}

    def last() -> dict[str, Any]:
        usage = _usage(turn)
        return event("", is_complete=True, usage=usage.model_dump() if usage else None)

    return Events(lambda text: event(text, is_complete=False), last)


class TurnStream(StreamingResponse):
    """A turn as server-sent events. When its reader goes away the model is stopped."""

    def __init__(self, turn: Turn, lines: AsyncIterator[str]) -> None:
        super().__init__(lines, media_type="text/event-stream", headers=_STREAM_HEADERS)
        self._turn = turn

    async def stream_response(self, send: Send) -> None:
        """Send it, to its end or the reader's."""
        try:
            await super().stream_response(send)
        finally:
            self._turn.cancel()


async def _stream(request: Request, turn: Turn, events_of: Callable[[], Events]) -> TurnStream:
    """Begin a stream once there is something to say, so that until then an error has its own status."""
    pieces = turn.pieces()
    try:
        first = await while_present(request, anext(pieces))
    except BaseException:
        turn.cancel()
        raise
    events = events_of()

    async def lines() -> AsyncIterator[str]:
        try:
            yield _line(events.piece(first))
            async for piece in pieces:
                yield _line(events.piece(piece))
            yield _line(events.last())
        except VoiceServerError as error:
            ids = {"conversation_id": turn.conversation_id, "message_id": turn.message_id}
            yield _line(error_body(request.scope, error.message, error.code) | ids)
        yield _DONE

    return TurnStream(turn, lines())


def _line(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


async def _whole(request: Request, turn: Turn) -> str:
    try:
        return await while_present(request, turn.whole())
    finally:
        turn.cancel()


def _wish(request: Request, caller: Caller, wish: CompletionRequest) -> ChatWish:
    system = "\n\n".join(one.text for one in wish.messages if one.role in ("system", "developer"))
    messages = list(_messages(wish))
    if not messages:
        raise ProtocolError("messages holds nothing to answer.", code="invalid_request")
    return ChatWish(
        messages=messages,
        user_id=user_of(request, caller, wish.user_id or wish.user),
        conversation_id=wish.conversation_id,
        model=wish.model,
        system_prompt=system or None,
        template=_template(wish.template),
        temperature=wish.temperature,
        max_tokens=wish.max_completion_tokens or wish.max_tokens,
        stop=[wish.stop] if isinstance(wish.stop, str) else wish.stop or (),
    )


def _messages(wish: CompletionRequest) -> Iterator[NewMessage]:
    for one in wish.messages:
        if one.text and one.role in ("user", "assistant"):
            role: Literal["user", "assistant"] = "user" if one.role == "user" else "assistant"
            is_last = one is wish.messages[-1]
            yield NewMessage(role, one.text, details=wish.metadata or {} if is_last else {})


def _template(wish: TemplateRequest | None) -> TemplateWish | None:
    return None if wish is None else TemplateWish(wish.name, wish.variables)


def _finish_reason(turn: Turn) -> Literal["stop", "length"]:
    return "length" if turn.is_cut_by_length else "stop"


def _usage(turn: Turn) -> Usage | None:
    counted = turn.usage
    if counted is None:
        return None
    return Usage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        total_tokens=counted.prompt_tokens + counted.completion_tokens,
    )
