"""The conversation: whose turn it is, when a turn ends, when a reply is cut. Decided here and nowhere else.

A pure state machine. `step(event, now)` takes one fact and gives the wishes that follow from it, in order; it
does no I/O and reads no clock, so the same events give the same commands. `wake_at` says when the driver must
`step(Tick(), now)` at the latest.

The user's side is a queue of utterances: at most one open at the microphone, any number decided and
waiting for their transcripts, in the order in which they came. The assistant's side is at most one reply. A
turn begins when the first utterance of the queue is understood and may interrupt; beginning a turn cuts the
reply before it.
"""

from collections import deque
from dataclasses import replace
from typing import assert_never

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.endpointing import wait_ms
from voice_server.core.history import History, Message
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.reply import Reply
from voice_server.core.sentences import Sentence
from voice_server.core.utterance import Source, Utterance
from voice_server.core.wire import (
    CutCause,
    EndReason,
    ErrorOut,
    Interrupted,
    Output,
    PartialOut,
    SpeechStartedOut,
    SpeechStoppedOut,
    Status,
    StatusKind,
    TranscriptionOut,
    TurnMode,
)
from voice_server.errors import AudioError, LimitError, VoiceServerError
from voice_server.ids import ConversationId, MessageId, TurnId

CORRECTION_MS = 1_000.0
"""How long after a cut the client may still say how much had been heard."""


class Conversation:
    """The state of one session's conversation.

    Args:
        seed: makes this session's turn and message ids its own.
        history: what was said before.
        is_paced: whether replies to live input are.
        language: in which the server apologises (BCP 47).
    """

    def __init__(
        self,
        seed: str,
        conversation_id: ConversationId,
        policy: TurnPolicy | None = None,
        history: History | None = None,
        *,
        is_paced: bool = True,
        language: str = "en",
    ) -> None:
        self.language = language
        self.conversation_id = conversation_id
        self.policy = policy or TurnPolicy()
        self.history = history or History()
        self.reply: Reply | None = None
        self.open: Utterance | None = None
        self.waiting: deque[Utterance] = deque()
        self.status: StatusKind | None = None
        self._live_options = ReplyOptions(paced=is_paced)
        self._is_attached = True
        self._seed = seed
        self._utterances = self._generations = self._turns = self._messages = 0
        self._cut: tuple[Reply, Instant, Message] | None = None
        self._commands: list[do.Command] = []

    @property
    def wake_at(self) -> Instant | None:
        """When the last of a sent reply is heard; None while nothing is waited for."""
        if self.reply is None or not self.reply.has_turn_ended or self.reply.playout.is_paused:
            return None
        return self.reply.heard_by

    def utterance(self, number: int) -> Utterance | None:
        """The utterance of this number, while it is open or waits for its turn."""
        candidates = [*self.waiting, self.open]
        return next((one for one in candidates if one and one.id == number), None)

    def step(self, event: on.Event, now: Instant) -> list[do.Command]:
        """Take one fact; give the wishes that follow."""
        self._commands = []
        self._finish_what_is_heard(now)  # the driver's alarm may be late
        match event:
            case on.SpeechStarted() | on.SpeechConfirmed() | on.SpeechStopped() | on.InputBegan():
                self._hear(event, now)
            case on.SilenceReached(at_ms):
                if self.open and not self.open.is_speaking and at_ms >= self.open.silence_until_ms:
                    self._decide()
            case on.UtteranceFull(at_ms):
                self._overflow(at_ms)
            case on.EndOfTurnScored(utterance, revision, probability):
                one = self.open
                if one and (one.id, one.revision) == (utterance, revision) and not one.is_speaking:
                    self._watch(one, probability)
            case on.PartialTranscribed(utterance, text):
                if self.open and self.open.id == utterance:
                    self._show_partial(self.open, text)
            case on.Transcribed(utterance, revision) | on.TranscriptionFailed(utterance, revision):
                self._understand(utterance, revision, event)
            case on.StreamOpened():
                if self.reply is None and not self.waiting:
                    self._show_status(StatusKind.LISTENING)
            case on.StreamClosed(at_ms):
                self._finish_utterance(at_ms)
            case on.Committed(at_ms):
                self._commit(at_ms)
            case on.Cleared():
                if self.open:
                    self._close(self.open)
                    self.open = None
                if self.policy.mode is TurnMode.MANUAL:
                    self._interrupt("speech", now)
            case on.ClipReceived(clip, options):
                self._interrupt("message", now)
                one = self._new_utterance(Source.CLIP, options)
                one.revision, one.is_decided = 1, True
                self.waiting.append(one)
                self._show_status(StatusKind.PROCESSING)
                self._do(do.TranscribeClip(one.id, one.revision, clip))
            case on.TextReceived(text, options):
                self._interrupt("message", now)
                one = self._new_utterance(Source.TEXT, options)
                one.heard, one.is_decided = on.Transcribed(one.id, 0, text), True
                self.waiting.append(one)
            case on.Prompted(text):
                if self.reply is None and self.open is None and not self.waiting:
                    reply = self._start_reply(self._new_turn(), self._live_options, now, asks_model=False)
                    reply.write(on.ReplyWritten(reply.generation, text))
                    reply.write(on.ReplyFinished(reply.generation))
            case on.StopRequested():
                self._interrupt("stop", now)
            case on.PlaybackReported(turn_id, played_ms):
                self._report_playback(turn_id, played_ms, now)
            case on.PolicyChanged(policy, language):
                self.policy, self.language = policy, language or self.language
            case on.ConversationChanged(conversation_id, messages):
                self._interrupt("message", now)
                self.conversation_id, self._cut = conversation_id, None
                self.history = History(tuple(messages))
            case on.Detached(at_ms):
                self._is_attached = False
                self._finish_utterance(at_ms)
                if self.reply:
                    self.reply.playout.pause(now)
            case on.Attached(unreceived_ms):
                self._is_attached = True
                if self.reply:
                    self.reply.playout.resume(unreceived_ms, now)
            case on.ReplyWritten() | on.ReplyFinished() | on.ReplyFailed() | on.ToolCalled():
                if self.reply and self.reply.generation == event.generation:
                    self.reply.write(event)
            case on.ToolsSlow(generation, words):
                if self.reply and self.reply.generation == generation:
                    self.reply.bridge(words, now)
            case on.AudioProduced() | on.SpeechFinished() | on.SpeechFailed():
                if self.reply and self.reply.generation == event.generation:
                    if isinstance(event, on.AudioProduced) and self.reply.is_audio_wanted:
                        self._show_status(StatusKind.SPEAKING)
                    self.reply.speak(event, now)
            case on.Tick():
                pass
            case _:
                assert_never(event)
        self._settle(now)
        return self._commands

    # ── The user's side ──────────────────────────────────────────────────────────────────────────

    def _hear(
        self,
        event: on.SpeechStarted | on.SpeechConfirmed | on.SpeechStopped | on.InputBegan,
        now: Instant,
    ) -> None:
        match event:
            case on.SpeechStarted(at_ms):
                one = self.open or self._take_back(at_ms) or self._open(Source.SPEECH, at_ms)
                one.speaks_on()
            case on.InputBegan(at_ms):
                if self.open is None:
                    self._open(Source.COMMIT, at_ms).speaks_on()
            case on.SpeechConfirmed():
                if self.open and self.policy.interrupt:
                    self._interrupt("speech", now)
            case on.SpeechStopped(at_ms):
                if self.open and self.open.is_speaking:
                    self._stop_speaking(self.open, at_ms)
                    self._watch(self.open, None)
            case _:
                assert_never(event)

    def _new_utterance(self, source: Source, options: ReplyOptions | None = None) -> Utterance:
        self._utterances += 1
        return Utterance(self._utterances, source, options or self._live_options)

    def _open(self, source: Source, at_ms: float) -> Utterance:
        self.open = self._new_utterance(source)
        self._do(do.OpenUtterance(self.open.id, at_ms))
        if source is Source.SPEECH:
            self._show(SpeechStartedOut(at_ms))
        return self.open

    def _take_back(self, at_ms: float) -> Utterance | None:
        """The user goes on before the turn could begin: the last utterance was not finished after all."""
        if self.reply or not self.waiting or self.waiting[-1].source is not Source.SPEECH:
            return None
        self.open = self.waiting.pop()
        self.open.is_decided = False
        self._show(SpeechStartedOut(at_ms))
        return self.open

    def _stop_speaking(self, one: Utterance, at_ms: float) -> None:
        one.is_speaking, one.stopped_at_ms = False, at_ms
        semantic = self.policy.mode is TurnMode.SEMANTIC and one.source is Source.SPEECH
        self._do(do.Settle(one.id, one.revision, score=semantic))

    def _watch(self, one: Utterance, probability: float | None) -> None:
        one.silence_until_ms = one.stopped_at_ms + wait_ms(self.policy, probability)
        self._do(do.WatchSilence(one.silence_until_ms))

    def _decide(self) -> None:
        """The user has finished."""
        if (one := self.open) is None:
            return
        self.open, one.is_decided = None, True
        self.waiting.append(one)
        if one.source is Source.SPEECH:
            self._show(SpeechStoppedOut(one.stopped_at_ms))
        if self.reply is None:
            self._show_status(StatusKind.PROCESSING)

    def _overflow(self, at_ms: float) -> None:
        """The utterance is at its longest: speech goes on as another, what awaits a commit is dropped."""
        if (one := self.open) is None:
            return
        if one.source is Source.COMMIT:
            self.open = None
            self._close(one)
            too_long = LimitError(
                "Too much audio came without a commit; what was heard so far is dropped.",
                code="utterance_too_long",
            )
            self._show_error(too_long, None)
            return
        is_speaking = one.is_speaking
        if is_speaking:
            self._stop_speaking(one, at_ms)
        self._decide()
        if is_speaking:
            self._open(Source.SPEECH, at_ms).speaks_on()

    def _finish_utterance(self, at_ms: float) -> None:
        """No more audio comes: what was heard is the utterance."""
        if self.open and self.open.is_speaking:
            self._stop_speaking(self.open, at_ms)
        self._decide()

    def _commit(self, at_ms: float) -> None:
        if self.open is None and self.policy.mode is TurnMode.MANUAL:
            error = AudioError(
                "There is nothing to commit: no audio came since the last turn.", code="nothing_to_commit"
            )
            self._show_error(error, None)
        self._finish_utterance(at_ms)

    def _show_partial(self, one: Utterance, text: str) -> None:
        if text and text != one.partial:
            one.partial = text
            self._show(PartialOut(text))

    def _understand(self, utterance: int, revision: int, event: on.Event) -> None:
        one = self.utterance(utterance)
        if one is None or one.revision != revision:
            return
        if isinstance(event, on.Transcribed):
            one.heard = event
            if not one.is_decided:
                self._show_partial(one, event.text.strip())
        elif isinstance(event, on.TranscriptionFailed):
            one.failure = event.error

    def _close(self, one: Utterance) -> None:
        if one.source is not Source.TEXT:
            self._do(do.CloseUtterance(one.id))

    # ── Turns ────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, now: Instant) -> None:
        """Bring to an end what has ended, begin what can begin."""
        self._finish_what_is_heard(now)
        while self.waiting and self.waiting[0].is_understood and self._may_begin(self.waiting[0]):
            self._begin_turn(self.waiting.popleft(), now)
        if self.reply is None and not self.waiting and self.status not in (None, StatusKind.LISTENING):
            self._show_status(StatusKind.LISTENING)

    def _may_begin(self, one: Utterance) -> bool:
        return self.reply is None or self.policy.interrupt or not one.is_live

    def _begin_turn(self, one: Utterance, now: Instant) -> None:
        self._close(one)
        if one.failure is not None:
            self._fail_to_hear(one, one.failure, now)
            return
        assert one.heard is not None
        text = one.heard.text.strip()
        if not text:
            if one.source in (Source.CLIP, Source.COMMIT):
                self._fail_to_hear(
                    one, AudioError("No speech was found in the audio.", code="no_speech"), now
                )
            return
        self._interrupt("speech" if one.is_live else "message", now)
        turn_id, message = self._new_turn(), Message(self._new_message(), "user", text)
        spoken = one.source is not Source.TEXT
        language, confidence = one.heard.language, one.heard.confidence
        self.history.add(message)
        self._record(do.UserSaid(turn_id, message, spoken, language, confidence))
        if spoken:
            self._show(TranscriptionOut(turn_id, text, language, confidence))
        self._start_reply(turn_id, one.options, now, utterance=one.id, language=language)

    def _fail_to_hear(self, one: Utterance, error: VoiceServerError, now: Instant) -> None:
        """No transcript: say so on the wire, and aloud where the caller waits for sound."""
        if one.source is not Source.CLIP and isinstance(error, AudioError):
            self._show_error(error, None)  # nothing was said: no turn
            return
        self._interrupt("speech" if one.is_live else "message", now)
        turn_id = self._new_turn()
        self._show_error(error, turn_id)
        reply = self._start_reply(turn_id, one.options, now, utterance=one.id, asks_model=False)
        reply.apologise(Sentence.NOT_HEARD.in_language(self.language))

    def _start_reply(
        self,
        turn_id: TurnId,
        options: ReplyOptions,
        now: Instant,
        *,
        utterance: int | None = None,
        language: str | None = None,
        asks_model: bool = True,
    ) -> Reply:
        self._generations += 1
        self.reply = reply = Reply(
            self._generations,
            turn_id,
            self.conversation_id,
            self._new_message(),
            options,
            self._do,
            self.language,
        )
        if not self._is_attached:
            reply.playout.pause(now)
        self._show_status(StatusKind.PROCESSING)
        messages = self.history.messages if asks_model else None
        self._do(do.StartReply(reply.generation, turn_id, utterance, messages, options, language))
        return reply

    def _finish_what_is_heard(self, now: Instant) -> None:
        """A reply of which everything is sent and heard is over."""
        reply = self.reply
        if reply and reply.has_turn_ended and reply.heard_by <= now and not reply.playout.is_paused:
            self.reply = None
            self._remember(reply, reply.heard_text(now), reply.playout.heard_ms(now), complete=True)

    def _interrupt(self, cause: CutCause, now: Instant) -> None:
        """Cut the reply, if there is one. This is all that happens at barge-in."""
        if (reply := self.reply) is None:
            return
        self.reply = None
        heard_ms, heard_text = reply.playout.heard_ms(now), reply.heard_text(now)
        self._do(do.CancelReply(reply.generation))
        if reply.options.paced or not reply.has_turn_ended:
            self._show(Interrupted(reply.turn_id, heard_text, heard_ms, cause))
        reply.end_audio(EndReason.INTERRUPTED)
        if not reply.has_turn_ended:
            self._do(do.EndTurn(reply.turn_id))
        message = self._remember(reply, heard_text, heard_ms, complete=False)
        self._cut = (reply, now, message)

    def _remember(self, reply: Reply, text: str, heard_ms: float, *, complete: bool) -> Message:
        message = Message(reply.message_id, "assistant", text)
        self.history.add(message)
        if reply.written:
            self._record(do.AssistantHeard(reply.turn_id, message, heard_ms, complete))
        return message

    def _report_playback(self, turn_id: str, played_ms: float, now: Instant) -> None:
        if self.reply and self.reply.turn_id == turn_id:
            self.reply.playout.report(played_ms, now)
        elif self._cut and self._cut[0].turn_id == turn_id and now - self._cut[1] <= CORRECTION_MS:
            reply, cut_at, message = self._cut
            heard_ms = min(max(played_ms, 0.0), reply.playout.sent_ms)
            better = replace(message, text=reply.spoken_text(heard_ms))
            if better != message and reply.options.wants_audio:
                self._cut = (reply, cut_at, better)
                self.history.correct(better)
                self._record(do.AssistantHeard(reply.turn_id, better, heard_ms, complete=False))

    # ── Saying so ────────────────────────────────────────────────────────────────────────────────

    def _do(self, command: do.Command) -> None:
        self._commands.append(command)

    def _record(self, entry: do.Entry) -> None:
        self._do(do.Record(self.conversation_id, entry))

    def _show(self, output: Output) -> None:
        self._commands.append(do.Show(output))

    def _show_status(self, status: StatusKind) -> None:
        if status is not self.status:
            self.status = status
            self._show(Status(status))

    def _show_error(self, error: VoiceServerError, turn_id: TurnId | None) -> None:
        self._show(ErrorOut(error.code, error.message, error.retryable, error.stage, turn_id))

    def _new_turn(self) -> TurnId:
        self._turns += 1
        return TurnId(f"turn_{self._seed}{self._turns:05}")

    def _new_message(self) -> MessageId:
        self._messages += 1
        return MessageId(f"msg_{self._seed}{self._messages:05}")
