"""One reply: what the model wrote, what of it went out, what of it was heard."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.history import Message
from voice_server.core.playout import Playout, whole_words
from voice_server.core.policy import ReplyOptions
from voice_server.core.sentences import Sentence
from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    EndReason,
    ErrorOut,
    MessageChunk,
    Output,
    ToolCall,
)
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.ids import ConversationId, MessageId, TurnId


@dataclass(slots=True)
class Reply:
    """The assistant's side of one turn. Its wishes go to `wish`.

    `has_turn_ended`: everything is generated and sent, the caller may still be listening to it.
    """

    generation: int
    turn_id: TurnId
    conversation_id: ConversationId
    message_id: MessageId
    options: ReplyOptions
    wish: Callable[[do.Command], None]
    language: str
    playout: Playout = field(init=False)
    written: str = ""
    is_text_whole: bool = False
    is_audio_wanted: bool = field(init=False)
    is_audio_open: bool = False
    has_failed: bool = False
    has_turn_ended: bool = False

    def __post_init__(self) -> None:
        self.playout = Playout(paced=self.options.paced)
        self.is_audio_wanted = self.options.wants_audio

    @property
    def heard_by(self) -> Instant:
        """When the caller has taken in all that was sent."""
        return self.playout.heard_by

    def heard_text(self, now: Instant) -> str:
        """What the caller took in: the heard part of what is spoken, all of what is only read."""
        if not self.options.wants_audio:
            return self.written
        return self.spoken_text(self.playout.heard_ms(now))

    def spoken_text(self, heard_ms: float) -> str:
        """The whole words within the first `heard_ms` of audio, always a beginning of what was written."""
        if self.has_turn_ended and heard_ms >= self.playout.sent_ms and not self.has_failed:
            return self.written
        return whole_words(self.written, self.playout.characters(heard_ms))

    def said_between(self, start_ms: float, end_ms: float) -> str:
        """What it said from one position of its audio to another, give or take a word."""
        return self.written[self.playout.characters(start_ms) : self.playout.characters(end_ms)]

    # ── Text ─────────────────────────────────────────────────────────────────────────────────────

    def write(self, event: on.ReplyWritten | on.ReplyFinished | on.ReplyFailed | on.ToolCalled) -> None:
        """The mind has something."""
        if self.is_text_whole:
            return
        match event:
            case on.ReplyWritten(_, text):
                self._add(text)
            case on.ReplyFinished() if self.written:
                self._complete_text()
                if self.is_audio_wanted:
                    self.wish(do.FinishSpeech(self.generation))
                else:
                    self.end_turn()
            case on.ReplyFinished():
                nothing = "The language model gave an empty reply."
                self._fail_to_write(ProviderError(nothing, code="empty_reply", stage="llm"))
            case on.ReplyFailed(_, error):
                self._fail_to_write(error)
            case on.ToolCalled(_, call_id, name, arguments):
                self._show(ToolCall(self.turn_id, call_id, name, arguments))
            case _:
                assert_never(event)

    def apologise(self, words: str) -> None:
        """Something failed: say what the model did not write, and end with it."""
        self.is_text_whole = self.has_failed = True
        if not self.is_audio_wanted:
            self.end_turn()
            return
        self._say_unwritten(words)
        self.wish(do.FinishSpeech(self.generation))

    def bridge(self, words: str, now: Instant) -> None:
        """A tool keeps the caller waiting: say so, unless something is being heard.

        An unpaced reply may be heard when it is whole, and then nobody waits any more.
        """
        is_quiet = self.options.paced and self.playout.ahead_ms(now) <= 0
        if is_quiet and self.is_audio_wanted and not self.is_text_whole:
            self._say_unwritten(words)

    def _say_unwritten(self, words: str) -> None:
        self.wish(do.Record(self.conversation_id, do.ServerSaid(self.turn_id, words)))
        self.wish(do.Speak(self.generation, words, written=False))

    def _add(self, text: str) -> None:
        if not self.written:
            text = text.lstrip()  # so that a reply of white space alone is none
        if text:
            self.written += text
            self._show_chunk(text)
            if self.is_audio_wanted:
                self.wish(do.Speak(self.generation, text))

    def _complete_text(self) -> None:
        self.is_text_whole = True
        whole = Message(self.message_id, "assistant", self.written)
        self.wish(do.Record(self.conversation_id, do.AssistantWrote(self.turn_id, whole)))
        self._show_chunk("", is_final=True)
        self._show(AiResponse(self.turn_id, self.conversation_id, self.message_id, self.written))

    def _fail_to_write(self, error: VoiceServerError) -> None:
        if self.written:
            self._complete_text()
        self._show_error(error)
        self.apologise(Sentence.NO_ANSWER.in_language(self.language))

    # ── Audio ────────────────────────────────────────────────────────────────────────────────────

    def speak(self, event: on.AudioProduced | on.SpeechFinished | on.SpeechFailed, now: Instant) -> None:
        """The mouth has something."""
        if self.has_turn_ended:
            return
        match event:
            case on.AudioProduced():
                if self.is_audio_wanted:
                    self._send(event, now)
            case on.SpeechFinished():
                self.end_turn()
            case on.SpeechFailed(_, error, said):
                if said:
                    self.wish(do.Record(self.conversation_id, do.ServerSaid(self.turn_id, said)))
                self.has_failed, self.is_audio_wanted = True, False
                self._show_error(error)
                if self.is_text_whole:
                    self.end_turn()
            case _:
                assert_never(event)

    def end_turn(self) -> None:
        """Everything is generated and sent."""
        self.end_audio(EndReason.FAILED if self.has_failed else EndReason.COMPLETED)
        self.has_turn_ended = True
        self.wish(do.EndTurn(self.turn_id))

    def end_audio(self, reason: EndReason) -> None:
        """No more audio comes; said if there was any."""
        if self.is_audio_open:
            self.is_audio_open = False
            self._show(AudioEnd(self.turn_id, self.playout.sent_ms, reason))

    def _send(self, event: on.AudioProduced, now: Instant) -> None:
        if not self.is_audio_open:
            self.is_audio_open = True
            self._show(AudioStart(self.turn_id, event.format, event.rate_hz))
        index = self.playout.chunks
        self.playout.correct([(at_ms, min(char, len(self.written))) for at_ms, char in event.timing])
        self.playout.send(event.duration_ms, min(event.end_char, len(self.written)), now)
        self._show(AudioOut(self.turn_id, event.data, index, event.duration_ms, event.words))

    # ── Saying so ────────────────────────────────────────────────────────────────────────────────

    def _show(self, output: Output) -> None:
        self.wish(do.Show(output))

    def _show_chunk(self, text: str, *, is_final: bool = False) -> None:
        self._show(MessageChunk(self.turn_id, self.conversation_id, self.message_id, text, is_final))

    def _show_error(self, error: VoiceServerError) -> None:
        self._show(ErrorOut.of(error, self.turn_id))
