"""The present reply at work: a mind that writes, a mouth that speaks, started and stopped together."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from voice_server.audio.echo import likeness
from voice_server.audio.format import STT_RATE_HZ
from voice_server.core import commands as do
from voice_server.core.events import Event, ToolsSlow
from voice_server.core.sentences import Sentence
from voice_server.core.wire import TurnMode
from voice_server.providers.base import ChatMessage, ReplyRequest
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.choice import Choice
from voice_server.session.ears import ServeFor, Spawn
from voice_server.session.limits import Deadlines
from voice_server.session.mind import Mind
from voice_server.session.mouth import Delivery, Mouth
from voice_server.session.tooling import Tooling
from voice_server.tools.base import ToolOutcome
from voice_server.tools.box import ToolBox


class Replying:
    """At most one reply. What an older one still says is dropped by the conversation.

    Args:
        ahead_ms: how much of what was sent is still to be played.
        awaiting_tools: entered while a tool is at work.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        spawn: Spawn,
        ahead_ms: Callable[[], float],
        most_ahead_ms: float,
        deadlines: Deadlines,
        serve: ServeFor,
        phrases: Phrases | None,
        tools: ToolBox,
        awaiting_tools: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._emit = emit
        self._spawn = spawn
        self._ahead_ms = ahead_ms
        self._most_ahead_ms = most_ahead_ms
        self._deadlines = deadlines
        self._serve = serve
        self._phrases = phrases
        self._tools = tools
        self._awaiting_tools = awaiting_tools
        self._generation = 0
        self._language = ""
        self._mind: Mind | None = None
        self._tooling: Tooling | None = None
        self._mouth: Mouth | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, command: do.StartReply, choice: Choice) -> None:
        """Write and speak another reply."""
        self.stop()
        self._generation, self._language = command.generation, choice.language
        serve = partial(self._serve, command.utterance)
        if command.options.wants_audio:  # the voice first: it waits for words, words should not wait for it
            most_ahead_ms = self._most_ahead_ms if command.options.paced else None
            may_echo = command.options.paced and choice.policy.mode is TurnMode.SEMANTIC
            delivery = Delivery(choice.output, most_ahead_ms, self._ahead_ms, may_echo)
            self._mouth = Mouth(
                command.generation,
                choice.tts,
                choice.spoken_voice,
                delivery,
                self._emit,
                serve,
                self._phrases,
            )
            self._tasks.append(self._spawn(self._mouth.run(), "mouth"))
        if command.messages is not None:
            request = _request(choice, command)
            self._tooling = tooling = Tooling(
                command.generation,
                self._tools,
                choice.server_tools,
                choice.tools,
                self._emit,
                self._deadlines.tool_ms,
                self._awaiting_tools,
            )
            self._mind = Mind(
                command.generation,
                choice.llm,
                request,
                self._emit,
                serve,
                tooling,
                is_draft=command.is_draft,
            )
            self._tasks.append(self._spawn(self._mind.run(), "mind"))

    def confirm(self, command: do.ConfirmReply) -> bool:
        """The draft is the reply: it may do what it was not allowed to; whether it has a piece to speak."""
        if command.generation != self._generation:
            return False
        if self._mind is not None:
            self._mind.confirm()
        return self._mouth is not None and self._mouth.is_fed

    def speak(self, command: do.Speak) -> bool:
        """More text for the mouth; whether that made a piece that can be spoken."""
        if self._mouth is None or command.generation != self._generation:
            return False
        return self._mouth.feed(command.text, written=command.written)

    def finish(self, command: do.FinishSpeech) -> bool:
        """No more text comes for the mouth; whether the rest is a piece that can be spoken."""
        if self._mouth is None or command.generation != self._generation:
            return False
        return self._mouth.finish()

    def say(self, sentence: Sentence) -> bool:
        """Say at once what is known by heart; gives whether it could be said."""
        return self._mouth is not None and bool(self._mouth.say(sentence))

    def bridge(self, sentence: Sentence) -> None:
        """Tools are slow: this may be said, in the voice of the reply."""
        self._emit(ToolsSlow(self._generation, sentence.in_language(self._language)))

    def deliver(self, call_id: str, outcome: ToolOutcome) -> None:
        """The client's answer to a tool call."""
        if self._tooling is not None:
            self._tooling.deliver(call_id, outcome)

    def likeness(self, voice: bytes, heard_ms: float) -> float | None:
        """How much a voice (PCM16 16 kHz) is like the reply, of which `heard_ms` were heard when it ended."""
        if self._mouth is None or self._mouth.levels is None:
            return None
        return likeness(voice, STT_RATE_HZ, self._mouth.levels, heard_ms)

    def stop(self) -> None:
        """Stop writing and speaking, at once."""
        for task in self._tasks:
            task.cancel()
        self._mind = self._tooling = self._mouth = None
        self._tasks = []


def _request(choice: Choice, command: do.StartReply) -> ReplyRequest:
    prompt = " ".join(filter(None, (choice.system_prompt, choice.language_instruction)))
    messages = [ChatMessage("system", prompt)] if prompt else []
    messages += [ChatMessage(one.role, one.text) for one in command.messages or ()]
    options = command.options
    return ReplyRequest(
        messages,
        temperature=options.temperature if options.temperature is not None else choice.temperature,
        max_tokens=options.max_tokens if options.max_tokens is not None else choice.max_tokens,
        tools=choice.all_tools if choice.llm.capabilities.tools else (),
        language=choice.language,
    )
