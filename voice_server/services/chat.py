"""Typed turns: a message in, the model's reply out, both kept in the conversation.

A turn is a task of its own, so that a caller who goes away can end it at once and what was said by then is
still kept. Nothing is kept of a turn that fails before the model has said anything.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace

import structlog

from voice_server.clock import Clock, Instant
from voice_server.core.caller import Caller
from voice_server.core.history import History, Message
from voice_server.core.usage import UsageMeter
from voice_server.errors import (
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    VoiceServerError,
)
from voice_server.ids import ConversationId, MessageId, new_message_id
from voice_server.providers.base import ChatMessage, LanguageModel, ReplyRequest, ReplyUsage, TextDelta
from voice_server.providers.metered import Bill, MeteredLlm
from voice_server.services.stops import StopCutter
from voice_server.services.templates import Templates
from voice_server.store.conversations import (
    Conversation,
    ConversationStore,
    NewConversation,
    NewMessage,
)

log = structlog.get_logger()

_MOST_MESSAGES = 200  # more than any prompt holds
_CHARS_PER_TOKEN = 3  # fewer than in most languages and models: a prompt is rather too short than refused


@dataclass(frozen=True, slots=True)
class ChatDefaults:
    """What holds for a turn that wishes for nothing, and its bounds."""

    system_prompt: str
    temperature: float | None = None
    max_tokens: int | None = None
    history_chars: int = 8_000
    message_chars: int = 32_000
    first_token_ms: float = 20_000
    gap_ms: float = 10_000
    strict: bool = False


@dataclass(frozen=True, slots=True)
class TemplateWish:
    """A template by name, with its variables."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatWish:
    """A turn as it was asked for.

    `messages` end with what the user says now. Those before it are the conversation so far, and count only
    where no `conversation_id` names one that is kept here.
    """

    messages: Sequence[NewMessage]
    user_id: str
    conversation_id: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    template: TemplateWish | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()


class Chat:
    """Answers typed turns with the configured models; the first serves where another is not known."""

    def __init__(
        self,
        models: Sequence[LanguageModel],
        conversations: ConversationStore,
        templates: Templates,
        defaults: ChatDefaults,
        clock: Clock,
        meter: UsageMeter,
    ) -> None:
        self._models = models
        self._conversations = conversations
        self._templates = templates
        self._defaults = defaults
        self._clock = clock
        self._meter = meter
        self._turns: set[Turn] = set()

    async def begin(self, caller: Caller, wish: ChatWish) -> "Turn":
        """Start a turn.

        Raises:
            NotFoundError: the conversation or the template is not known.
            ProtocolError: the wish makes no sense, or a strict server does not grant it.
        """
        if not wish.messages or wish.messages[-1].role != "user":
            raise ProtocolError("The last message must be the user's.", code="invalid_request")
        owner = caller.owner
        conversation, so_far = await self._history(owner, wish)
        model = self._model(wish.model, conversation)
        system_prompt = await self._system_prompt(owner, wish, conversation)
        now_ms = round(self._clock.utc().timestamp() * 1000)
        said = [
            replace(one, created_at_ms=now_ms)
            for one in (_said_now(wish.messages) if conversation else wish.messages)
        ]
        most_tokens = wish.max_tokens or self._defaults.max_tokens
        request = ReplyRequest(
            self._prompt(model, system_prompt, [*so_far, *said], most_tokens),
            temperature=wish.temperature if wish.temperature is not None else self._defaults.temperature,
            max_tokens=most_tokens,
        )
        beginning = _beginning(owner, wish)
        keeping = (
            Keeping(self._conversations, owner, beginning.id, said, beginning)
            if conversation is None
            else Keeping(self._conversations, owner, conversation.id, said)
        )
        bill = Bill(self._meter, caller)
        turn = Turn(
            keeping,
            MeteredLlm(model, bill),
            bill,
            request,
            StopCutter(wish.stop),
            self._defaults,
            self._clock,
        )
        self._turns.add(turn)
        turn.start(self._turns.discard)
        return turn

    async def drain(self, grace_s: float) -> None:
        """Let what is under way finish within `grace_s`, then end it; what was said is kept."""
        deadline = asyncio.get_running_loop().time() + grace_s
        while self._turns and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        turns = list(self._turns)
        for turn in turns:
            turn.cancel()
        for turn in turns:
            await turn.over()

    async def _history(self, owner: str, wish: ChatWish) -> tuple[Conversation | None, Sequence[NewMessage]]:
        if wish.conversation_id is None:
            return None, ()
        conversation, kept = await self._conversations.newest(owner, wish.conversation_id, _MOST_MESSAGES)
        return conversation, [
            NewMessage("user" if one.role == "user" else "assistant", one.content)
            for one in kept
            if one.role != "system"
        ]

    def _model(self, wished: str | None, conversation: Conversation | None) -> LanguageModel:
        for name in (wished, conversation.model if conversation is not None else None):
            for model in self._models:
                if name in (model.model, model.name):
                    return model
            if name is not None and self._defaults.strict:
                known = ", ".join(model.model for model in self._models)
                raise ProtocolError(
                    f"The model '{name}' is not configured; there is: {known}.", code="not_configured"
                )
        return self._models[0]

    async def _system_prompt(self, owner: str, wish: ChatWish, kept: Conversation | None) -> str:
        if wish.system_prompt is not None:
            return wish.system_prompt
        if wish.template is not None:
            named = await self._templates.render(owner, wish.template.name, wish.template.variables)
            return named.system_prompt
        if kept is not None and kept.template is not None:
            try:
                rendered = await self._templates.render(owner, kept.template, kept.template_variables)
            except VoiceServerError:  # it was changed or deleted since
                return self._defaults.system_prompt
            return rendered.system_prompt
        return (kept.system_prompt if kept is not None else None) or self._defaults.system_prompt

    def _prompt(
        self,
        model: LanguageModel,
        system_prompt: str,
        messages: Sequence[NewMessage],
        most_tokens: int | None,
    ) -> list[ChatMessage]:
        """As much of the conversation as the model can read."""
        defaults = self._defaults
        newest = messages[-1].content
        if len(newest) > defaults.message_chars:
            raise ProtocolError(
                f"The message has {len(newest)} characters; at most {defaults.message_chars} are taken.",
                code="message_too_long",
            )
        context_tokens = model.capabilities.context_tokens
        for_reply = min(most_tokens or context_tokens, context_tokens // 4)
        readable_chars = (context_tokens - for_reply) * _CHARS_PER_TOKEN - len(system_prompt)
        if len(newest) > readable_chars:
            raise ProtocolError(
                f"The message is longer than the model '{model.model}' can read.", code="message_too_long"
            )
        history = History(
            tuple(
                Message(one.id, "user" if one.role == "user" else "assistant", one.content)
                for one in messages
            ),
            min(defaults.history_chars, readable_chars),
        )
        prompt = [ChatMessage("system", system_prompt)] if system_prompt else []
        return prompt + [ChatMessage(one.role, one.text) for one in history.messages]


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a turn is kept: in a conversation that is there, or in one that begins with it."""

    conversations: ConversationStore
    owner: str
    conversation_id: ConversationId
    said: Sequence[NewMessage]
    beginning: NewConversation | None = None

    async def keep_said(self) -> None:
        """Keep what the user said."""
        beginning = self.beginning
        await self.conversations.add(self.owner, self.conversation_id, self.said, beginning=beginning)

    async def keep_reply(self, reply: NewMessage) -> None:
        """Keep the reply."""
        await self.conversations.add(self.owner, self.conversation_id, [reply])


class Turn:
    """A turn under way. Read `pieces` or wait for `whole`; `cancel` when nobody reads any more."""

    def __init__(
        self,
        keeping: Keeping,
        model: LanguageModel,
        bill: Bill,
        request: ReplyRequest,
        cutter: StopCutter,
        bounds: ChatDefaults,
        clock: Clock,
    ) -> None:
        self.message_id: MessageId = new_message_id()
        self.usage: ReplyUsage | None = None
        self._keeping = keeping
        self._llm = model
        self._bill = bill
        self._request = request
        self._cutter = cutter
        self._bounds = bounds
        self._clock = clock
        self._text = ""
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._is_keeping = self._is_left = False
        self._began = clock.now()
        self._first_token: Instant | None = None

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._llm.model

    @property
    def provider(self) -> str:
        """Whose model it is."""
        return self._llm.name

    @property
    def conversation_id(self) -> ConversationId:
        """The conversation it is in."""
        return self._keeping.conversation_id

    @property
    def text(self) -> str:
        """The reply so far."""
        return self._text

    @property
    def is_cut_by_length(self) -> bool:
        """Whether the model stopped because the reply may not be longer."""
        most = self._request.max_tokens
        return most is not None and self.usage is not None and self.usage.completion_tokens >= most

    def start(self, when_over: Callable[["Turn"], None]) -> None:
        """Ask the model."""
        self._task = asyncio.create_task(self._run(), name=f"{self.message_id} turn")

        def end(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                task.exception()  # who reads the pieces is told; maybe nobody does any more
            when_over(self)

        self._task.add_done_callback(end)

    def cancel(self) -> None:
        """Nobody reads any more: stop the model. What was said by then is kept."""
        self._is_left = True
        if self._task is not None and not self._is_keeping:  # else once that is done
            self._task.cancel()

    async def over(self) -> None:
        """Until nothing more is done for it."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def pieces(self) -> AsyncGenerator[str, None]:
        """The reply as it is written. Once it ends, it is kept.

        Raises:
            VoiceServerError: the model failed, or the reply could not be kept.
        """
        assert self._task is not None
        while (piece := await self._pieces.get()) is not None:
            yield piece
        await asyncio.wait({self._task})
        if self._task.cancelled():
            raise ProviderUnavailable("The server stops; ask again in a moment.", stage="llm")
        self._task.result()

    async def whole(self) -> str:
        """The whole reply, kept.

        Raises:
            VoiceServerError: the model failed, or the reply could not be kept.
        """
        async for _ in self.pieces():
            pass
        return self._text

    async def _run(self) -> None:
        try:
            await self._write()
            if not self._text:
                raise ProviderError("The language model said nothing.", stage="llm")
        except (asyncio.CancelledError, VoiceServerError):
            await self._keep_reply(is_complete=False)
            raise
        except Exception as error:
            log.exception("language model broke", provider=self.provider)
            await self._keep_reply(is_complete=False)
            raise ProviderError("The language model failed.", stage="llm") from error
        else:
            await self._keep_reply(is_complete=True)
        finally:
            self._pieces.put_nowait(None)

    async def _write(self) -> None:
        await self._llm.warm()
        allowed_ms = self._bounds.first_token_ms
        async with aclosing(self._llm.reply(self._request)) as deltas:
            while True:
                try:
                    async with asyncio.timeout(allowed_ms / 1000):
                        delta = await anext(deltas, None)
                except TimeoutError as error:
                    late = f"The language model was silent for {allowed_ms / 1000:g} s."
                    raise ProviderTimeout(late, stage="llm") from error
                allowed_ms = self._bounds.gap_ms
                match delta:
                    case TextDelta(text):
                        await self._say(self._cutter.feed(text))
                        if self._cutter.has_stopped:
                            return
                    case ReplyUsage():
                        self.usage = delta
                    case None:
                        await self._say(self._cutter.rest())
                        return
                    case _:
                        pass  # no tools were offered

    async def _say(self, piece: str) -> None:
        if not piece:
            return
        if not self._text:
            self._first_token = self._clock.now()
            with self._uncut():
                await self._keeping.keep_said()
        self._text += piece
        self._pieces.put_nowait(piece)
        if self._is_left:
            raise asyncio.CancelledError

    async def _keep_reply(self, *, is_complete: bool) -> None:
        if self._first_token is None or not self._text:
            return
        timings = {
            "llm_first_token_ms": round(self._first_token - self._began, 1),
            "response_ms": round(self._clock.now() - self._began, 1),
        }
        reply = NewMessage(
            "assistant",
            self._text,
            is_complete=is_complete,
            cost=self._bill.take_turn(),
            timings=timings,
            providers={"llm": f"{self.provider}/{self.model}"},
            id=self.message_id,
        )
        with self._uncut():
            await self._keeping.keep_reply(reply)

    @contextmanager
    def _uncut(self) -> Iterator[None]:
        """What is being kept is not cut off by a reader who leaves."""
        self._is_keeping = True
        try:
            yield
        finally:
            self._is_keeping = False


def _said_now(messages: Sequence[NewMessage]) -> list[NewMessage]:
    """What stands behind the last reply: of a conversation that is kept here, the rest is known."""
    replies = [n for n, one in enumerate(messages) if one.role == "assistant"]
    return list(messages[replies[-1] + 1 :] if replies else messages)


def _beginning(owner: str, wish: ChatWish) -> NewConversation:
    template = wish.template
    return NewConversation(
        owner=owner,
        user_id=wish.user_id,
        system_prompt=wish.system_prompt,
        template=template.name if template is not None and wish.system_prompt is None else None,
        template_variables=template.variables if template is not None else {},
    )
