"""Typed turns: a message in, the model's reply out, both kept in the conversation."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from voice_server.clock import Clock
from voice_server.core.caller import Caller
from voice_server.core.history import History, Message
from voice_server.core.usage import UsageMeter
from voice_server.errors import (
    ProtocolError,
    VoiceServerError,
)
from voice_server.providers.base import (
    ChatMessage,
    LanguageModel,
    ReplyRequest,
)
from voice_server.providers.metered import Bill, MeteredLlm
from voice_server.services.stops import StopCutter
from voice_server.services.templates import Templates
from voice_server.services.turn import Keeping, Turn
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

    async def begin(self, caller: Caller, wish: ChatWish) -> Turn:
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
        if not newest.strip():
            raise ProtocolError("The message is blank; write some words.", code="invalid_request")
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
