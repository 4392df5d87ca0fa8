"""The assistant's side: at most one reply, or the draft of one."""

from dataclasses import replace

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.draft import Draft
from voice_server.core.history import History, Message
from voice_server.core.memory import Memory
from voice_server.core.numbering import Numbering
from voice_server.core.policy import ReplyOptions
from voice_server.core.reply import Reply
from voice_server.core.utterance import Utterance
from voice_server.core.wire import StatusKind
from voice_server.core.wishes import Wishes
from voice_server.ids import TurnId


class Answering:
    """What is being answered, and what mind and mouth have for it.

    `is_attached`: somebody is connected. `language`: in which the server apologises (BCP 47).
    """

    def __init__(self, wishes: Wishes, memory: Memory, numbering: Numbering, language: str) -> None:
        self.reply: Reply | None = None
        self.draft: Draft | None = None
        self.language = language
        self.is_attached = True
        self._wishes = wishes
        self._memory = memory
        self._numbering = numbering

    def ahead_ms(self, now: Instant) -> float:
        """How much of the audio that the mouth has given is still to be heard."""
        if self.draft is not None:
            return self.draft.ahead_ms
        return self.reply.playout.ahead_ms(now) if self.reply else 0.0

    def detach(self, now: Instant) -> None:
        """Nobody listens."""
        self.is_attached = False
        if self.reply:
            self.reply.playout.pause(now)

    def attach(self, unreceived_ms: float, now: Instant) -> None:
        """The caller is back, and gets `unreceived_ms` of audio again."""
        self.is_attached = True
        if self.reply:
            self.reply.playout.resume(unreceived_ms, now)

    # ── A reply ──────────────────────────────────────────────────────────────────────────────────

    def start(
        self,
        turn_id: TurnId,
        options: ReplyOptions,
        now: Instant,
        *,
        utterance: int | None = None,
        language: str | None = None,
        basis: do.TurnBasis = do.TurnBasis(),  # noqa: B008 (frozen)
        asks_model: bool = True,
    ) -> Reply:
        """Begin the reply of this turn."""
        generation, message_id = self._numbering.generation(), self._numbering.message()
        conversation_id = self._memory.conversation_id
        reply = Reply(
            generation, turn_id, conversation_id, message_id, options, self._wishes.do, self.language
        )
        self._take(reply, now)
        messages = self._memory.history.messages if asks_model else None
        self._wishes.do(do.StartReply(generation, turn_id, utterance, messages, options, language, basis))
        return reply

    def write(self, event: on.ReplyWritten | on.ReplyFinished | on.ReplyFailed | on.ToolCalled) -> None:
        """The mind has something."""
        if self.reply and self.reply.generation == event.generation:
            self.reply.write(event)
        elif self.draft and self.draft.reply.generation == event.generation:
            if self.draft.is_failed_by(event):
                self.drop_draft()  # the turn itself may fare better
            else:
                self.draft.reply.write(event)

    def bridge(self, event: on.ToolsSlow, now: Instant) -> None:
        """A tool keeps the caller waiting."""
        if self.reply and self.reply.generation == event.generation:
            self.reply.bridge(event.words, now)

    def speak(self, event: on.AudioProduced | on.SpeechFinished | on.SpeechFailed, now: Instant) -> None:
        """The mouth has something."""
        if self.reply and self.reply.generation == event.generation:
            if isinstance(event, on.AudioProduced) and self.reply.is_audio_wanted:
                self._wishes.show_status(StatusKind.SPEAKING)
            self.reply.speak(event, now)
        elif self.draft and self.draft.reply.generation == event.generation:
            self.draft.audio.append(event)

    def _take(self, reply: Reply, now: Instant) -> None:
        self.reply = reply
        if not self.is_attached:
            reply.playout.pause(now)
        self._wishes.show_status(StatusKind.PROCESSING)

    # ── A reply before its turn ──────────────────────────────────────────────────────────────────

    def start_draft(self, one: Utterance, now: Instant) -> None:
        """Begin to answer what may not be all."""
        assert one.heard is not None
        one.early_starts += 1
        draft = Draft(one.id, one.revision, one.heard.text.strip(), now, self._wishes.do)
        generation = self._numbering.generation()
        # The ids that the turn will get: whatever else begins before it drops the draft.
        ahead = replace(self._numbering)
        turn_id, message = ahead.turn(), Message(ahead.message(), "user", draft.text)
        conversation_id, options = self._memory.conversation_id, one.options
        draft.reply = Reply(
            generation, turn_id, conversation_id, ahead.message(), options, draft.take, self.language
        )
        self.draft = draft
        messages = History((*self._memory.history.messages, message)).messages
        language = one.heard.language
        self._wishes.do(
            do.StartReply(generation, turn_id, one.id, messages, options, language, is_draft=True)
        )

    def confirm_draft(self, draft: Draft, one: Utterance, now: Instant) -> None:
        """The user had finished: the draft is the reply."""
        reply, self.draft = draft.reply, None
        assert self._numbering.message() == reply.message_id
        reply.wish = self._wishes.do
        self._take(reply, now)
        lead_ms = round(now - draft.began)
        basis = do.TurnBasis(one.endpointing, one.early_starts, was_drafted=True, lead_ms=lead_ms)
        self._wishes.do(do.ConfirmReply(reply.generation, reply.turn_id, one.id, basis))
        for command in draft.held:
            self._wishes.do(command)
        for event in draft.audio:
            self.speak(event, now)

    def drop_draft(self) -> None:
        """It is not what the user wants answered."""
        if (draft := self.draft) is not None:
            self.draft = None
            self._wishes.do(do.CancelReply(draft.reply.generation))
