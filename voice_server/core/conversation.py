"""The conversation: whose turn it is, when a turn ends, when a reply is cut. Decided here and nowhere else.

A pure state machine. `step(event, now)` takes one fact and gives the wishes that follow from it, in order; it
does no I/O and reads no clock, so the same events give the same commands. `wake_at` says when the driver must
`step(Tick(), now)` at the latest.

The user's side is a queue of utterances: at most one open at the microphone, any number decided and
waiting for their transcripts, in the order in which they came. The assistant's side is at most one reply. A
turn begins when the first utterance of the queue is understood and may interrupt; beginning a turn cuts the
reply before it.

Two things happen before they are certain. A reply may be drafted while it is not yet sure that the user has
finished (`core.draft`), and a voice over a reply is weighed before it cuts (`core.overlap`).
"""

from collections import deque
from dataclasses import replace
from typing import assert_never

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.draft import Draft
from voice_server.core.endpointing import Evidence, judge, longest_wait_ms
from voice_server.core.history import History, Message
from voice_server.core.overlap import Overlap, Verdict
from voice_server.core.pauses import LONGEST_MS, Pauses
from voice_server.core.phrases import Phrase, is_invented, phrase_of
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
    OverlapOut,
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

ANSWERING_MS = 1_000.0
"""So near its end, what is said over a question answers it: "yes" is no nod then."""


class Conversation:
    """The state of one session's conversation.

    Args:
        seed: makes this session's turn and message ids its own.
        history: what was said before.
        pauses: how this caller is known to pause.
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
        pauses: Pauses | None = None,
        is_paced: bool = True,
        language: str = "en",
    ) -> None:
        self.language = language
        self.conversation_id = conversation_id
        self.policy = policy or TurnPolicy()
        self.history = history or History()
        self.pauses = pauses or Pauses()
        self.reply: Reply | None = None
        self.draft: Draft | None = None
        self.open: Utterance | None = None
        self.waiting: deque[Utterance] = deque()
        self.status: StatusKind | None = None
        self._live_options = ReplyOptions(paced=is_paced)
        self._is_attached = True
        self._seed = seed
        self._utterances = self._generations = self._turns = self._messages = 0
        self._cut: tuple[Reply, Instant, Message] | None = None
        self._ducked: TurnId | None = None  # its client is told that a voice over it is weighed
        self._stopped_at_ms: float | None = None  # where the voice that the present reply answers ended
        self._usual_dbfs: float | None = None  # how loud this caller speaks
        self._commands: list[do.Command] = []

    @property
    def wake_at(self) -> Instant | None:
        """When the last of a sent reply is heard, or patience with a voice over it ends; None: never."""
        moments: list[Instant] = []
        if self.reply and self.reply.has_turn_ended and not self.reply.playout.is_paused:
            moments.append(self.reply.heard_by)
        overlap = self._overlap if self.policy.interrupt else None
        if overlap is not None and overlap.decide_by is not None:
            moments.append(overlap.decide_by)
        return min(moments, default=None)

    @property
    def is_held(self) -> bool:
        """Whether no more of the reply is to be sent for now: a voice over it is being weighed."""
        overlap = self._overlap if self.policy.interrupt else None
        return overlap is not None and overlap.is_holding

    def ahead_ms(self, now: Instant) -> float:
        """How much of the audio that the mouth has given is still to be heard."""
        if self.draft is not None:
            return self.draft.ahead_ms
        return self.reply.playout.ahead_ms(now) if self.reply else 0.0

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
                    one.probability = probability
                    self._watch(one)
            case on.PartialTranscribed(utterance, text):
                if self.open and self.open.id == utterance:
                    self._show_partial(self.open, text)
                    self._weigh(self.open, text.strip(), now)
            case on.Transcribed(utterance, revision) | on.TranscriptionFailed(utterance, revision):
                self._understand(utterance, revision, event, now)
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
            case on.PlaybackReported():
                self._report_playback(event, now)
            case on.PolicyChanged(policy, language):
                self.policy, self.language = policy, language or self.language
                self._drop_draft()
            case on.ConversationChanged(conversation_id, messages):
                self._interrupt("message", now)
                self._drop_draft()
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
                elif self.draft and self.draft.reply.generation == event.generation:
                    self._write_draft(self.draft, event)
            case on.ToolsSlow(generation, words):
                if self.reply and self.reply.generation == generation:
                    self.reply.bridge(words, now)
            case on.AudioProduced() | on.SpeechFinished() | on.SpeechFailed():
                if self.reply and self.reply.generation == event.generation:
                    self._speak(self.reply, event, now)
                elif self.draft and self.draft.reply.generation == event.generation:
                    self.draft.audio.append(event)
            case on.Tick():
                if self.open:
                    self._weigh(self.open, self.open.partial, now)
            case _:
                assert_never(event)
        self._settle(now)
        self._show_overlap()
        return self._commands

    # ── The user's side ──────────────────────────────────────────────────────────────────────────

    def _hear(
        self,
        event: on.SpeechStarted | on.SpeechConfirmed | on.SpeechStopped | on.InputBegan,
        now: Instant,
    ) -> None:
        match event:
            case on.SpeechStarted(at_ms):
                self._notice_pause(at_ms, now)
                one = self.open or self._take_back(at_ms) or self._open(Source.SPEECH, at_ms)
                if one.overlap is None and (reply := self.reply) and self._is_weighed(reply, now):
                    one.overlap = Overlap(reply.generation, reply.playout.heard_ms(now))
                one.speaks_on()
            case on.InputBegan(at_ms):
                if self.open is None:
                    self._open(Source.COMMIT, at_ms).speaks_on()
            case on.SpeechConfirmed(_, level_dbfs):
                if self.open:
                    self._confirm(self.open, level_dbfs, now)
            case on.SpeechStopped(at_ms):
                if self.open and self.open.is_speaking:
                    self._stop_speaking(self.open, at_ms)
                    self._watch(self.open)
                    if self.open.overlap is not None:
                        self.open.overlap.fall_silent(now)
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

    def _watch(self, one: Utterance) -> None:
        """How long to wait. What the words say is waited for: without them no turn could begin anyway."""
        text, language = (one.heard.text, one.heard.language) if one.heard else (None, None)
        evidence = Evidence(one.probability, text, language, self.pauses, one.has_interrupted)
        one.endpointing = judge(self.policy, evidence)
        wait_ms = one.endpointing.wait_ms if one.is_understood else longest_wait_ms(self.policy)
        if (until_ms := one.stopped_at_ms + wait_ms) != one.silence_until_ms:
            one.silence_until_ms = until_ms
            self._do(do.WatchSilence(until_ms))

    def _notice_pause(self, at_ms: float, now: Instant) -> None:
        """The caller goes on: so long is a pause of this caller's, even if it was taken for the end."""
        if self.open and self.open.source is Source.SPEECH and self.open.revision:
            self._learn(at_ms - self.open.stopped_at_ms)
        elif self._stopped_at_ms is not None and (self.reply is None or not self.reply.playout.heard_ms(now)):
            self._learn(at_ms - self._stopped_at_ms)
        self._stopped_at_ms = None

    def _learn(self, pause_ms: float) -> None:
        if 0 < pause_ms <= LONGEST_MS:
            self.pauses = self.pauses.and_then(pause_ms)
            self._do(do.Learn(self.pauses))

    def _decide(self) -> None:
        """The user has finished."""
        if (one := self.open) is None:
            return
        self.open, one.is_decided = None, True
        self.waiting.append(one)
        if one.source is Source.SPEECH:
            self._stopped_at_ms = one.stopped_at_ms
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

    def _understand(self, utterance: int, revision: int, event: on.Event, now: Instant) -> None:
        one = self.utterance(utterance)
        if one is None or one.revision != revision:
            return
        if isinstance(event, on.Transcribed):
            is_nothing = one.source is Source.SPEECH and not one.is_confirmed and is_invented(event.text)
            one.heard = replace(event, text="") if is_nothing else event
            if not one.is_decided:
                self._show_partial(one, one.heard.text.strip())
            self._weigh(one, one.heard.text.strip(), now)
        elif isinstance(event, on.TranscriptionFailed):
            one.failure = event.error
        if one is self.open and not one.is_speaking and one.source is Source.SPEECH:
            self._watch(one)

    # ── A voice over a reply ─────────────────────────────────────────────────────────────────────

    @property
    def _overlap(self) -> Overlap | None:
        return self.open.overlap if self.open else None

    def _is_weighed(self, reply: Reply, now: Instant) -> bool:
        """Whether the caller hears this reply, and what is said over it may be no interruption."""
        if self.policy.mode is not TurnMode.SEMANTIC or not reply.options.paced or not self._is_attached:
            return False
        left_ms = reply.playout.sent_ms - reply.playout.heard_ms(now)
        is_asked = reply.is_text_whole and reply.written.rstrip().endswith("?") and left_ms < ANSWERING_MS
        return reply.playout.sent_ms > 0 and not is_asked

    def _confirm(self, one: Utterance, level_dbfs: float | None, now: Instant) -> None:
        """The voice has lasted long enough to cut, or to be weighed."""
        one.is_confirmed = True
        one.level_dbfs = level_dbfs if one.level_dbfs is None else one.level_dbfs
        if one.overlap is None:
            if self.policy.interrupt:
                self._interrupt("speech", now)
            return
        is_known = level_dbfs is not None and self._usual_dbfs is not None
        one.overlap.confirm((level_dbfs or 0) - (self._usual_dbfs or 0) if is_known else None, now)
        self._weigh(one, one.partial, now)

    def _weigh(self, one: Utterance, text: str, now: Instant) -> None:
        """Whether what is said over a reply cuts it. Nods, echoes and voices far away are no turn."""
        if (overlap := one.overlap) is None or (one.heard is None and not self.policy.interrupt):
            return
        reply = self.reply if self.reply and self.reply.generation == overlap.generation else None
        ours = reply.said_between(*overlap.audible_ms(reply.playout.heard_ms(now))) if reply else ""
        match overlap.judge(text, ours, now, is_whole=one.heard is not None):
            case Verdict.HOLD:
                pass
            case Verdict.CUT:
                one.overlap, one.has_interrupted = None, self.policy.interrupt
                if reply and self.policy.interrupt:
                    self._interrupt("speech", now)
            case Verdict.PASS:
                self._dismiss(one)
            case never:
                assert_never(never)

    def _show_overlap(self) -> None:
        """Tell the client once a voice over the reply is weighed, and once it no longer is."""
        overlap, reply = self._overlap if self.is_held else None, self.reply
        is_ducked = overlap and reply and overlap.is_ducking and overlap.generation == reply.generation
        turn_id = reply.turn_id if reply and is_ducked else None
        if turn_id == self._ducked:
            return
        if self._ducked is not None:
            self._show(OverlapOut(self._ducked, is_active=False))
        if turn_id is not None:
            self._show(OverlapOut(turn_id, is_active=True))
        self._ducked = turn_id

    def _dismiss(self, one: Utterance) -> None:
        """It was nothing that is answered."""
        if one is self.open:
            self.open = None
            self._show(SpeechStoppedOut(one.stopped_at_ms))
        else:
            self.waiting.remove(one)
        self._close(one)

    def _close(self, one: Utterance) -> None:
        if one.source is not Source.TEXT:
            self._do(do.CloseUtterance(one.id))

    # ── Turns ────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, now: Instant) -> None:
        """Bring to an end what has ended, begin what can begin."""
        self._finish_what_is_heard(now)
        if self.draft and not self._is_still_good(self.draft):
            self._drop_draft()
        while self.waiting and self.waiting[0].is_understood and self._may_begin(self.waiting[0]):
            self._begin_turn(self.waiting.popleft(), now)
        if self._is_worth_drafting():
            self._start_draft()
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
        if one.level_dbfs is not None:
            usual_dbfs = one.level_dbfs if self._usual_dbfs is None else self._usual_dbfs
            self._usual_dbfs = 0.7 * usual_dbfs + 0.3 * one.level_dbfs
        turn_id, message = self._new_turn(), Message(self._new_message(), "user", text)
        spoken = one.source is not Source.TEXT
        language, confidence = one.heard.language, one.heard.confidence
        self.history.add(message)
        self._record(do.UserSaid(turn_id, message, spoken, language, confidence))
        if spoken:
            self._show(TranscriptionOut(turn_id, text, language, confidence))
        if (draft := self.draft) is not None:
            self._confirm_draft(draft, one, now)
        else:
            basis = do.TurnBasis(one.endpointing, one.early_starts)
            self._start_reply(turn_id, one.options, now, utterance=one.id, language=language, basis=basis)

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
        basis: do.TurnBasis = do.TurnBasis(),  # noqa: B008 (frozen)
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
        self._do(do.StartReply(reply.generation, turn_id, utterance, messages, options, language, basis))
        return reply

    def _speak(
        self, reply: Reply, event: on.AudioProduced | on.SpeechFinished | on.SpeechFailed, now: Instant
    ) -> None:
        if isinstance(event, on.AudioProduced) and reply.is_audio_wanted:
            self._show_status(StatusKind.SPEAKING)
        reply.speak(event, now)

    # ── A reply before its turn ──────────────────────────────────────────────────────────────────

    def _is_worth_drafting(self) -> bool:
        """Whether the user has probably finished, and all that is missing is certainty."""
        one = self.open
        if one is None or one.is_speaking or one.heard is None or one.source is not Source.SPEECH:
            return False
        is_free = self.reply is None and self.draft is None and not self.waiting and self._is_attached
        is_allowed = one.early_starts < self.policy.early_starts and one.overlap is None
        phrase = phrase_of(one.heard.text, one.heard.language)
        return is_free and is_allowed and phrase not in (Phrase.UNKNOWN, Phrase.OPEN, Phrase.DICTATION)

    def _start_draft(self) -> None:
        one = self.open
        assert one is not None and one.heard is not None
        one.early_starts += 1
        self._generations += 1
        # The ids that the turn will get: whatever else begins before it drops the draft.
        draft = Draft(one.id, one.revision, one.heard.text.strip(), self._do)
        message = Message(self._message_id(self._messages + 1), "user", draft.text)
        draft.reply = Reply(
            self._generations,
            self._turn_id(self._turns + 1),
            self.conversation_id,
            self._message_id(self._messages + 2),
            one.options,
            draft.take,
        )
        self.draft = draft
        messages = History((*self.history.messages, message)).messages
        reply = draft.reply
        language = one.heard.language
        self._do(
            do.StartReply(
                reply.generation, reply.turn_id, one.id, messages, one.options, language, is_draft=True
            )
        )

    def _is_still_good(self, draft: Draft) -> bool:
        """Whether its utterance is the next to begin a turn, and stands as it was."""
        one = self.waiting[0] if self.waiting else self.open
        if one is None or one.heard is None or self.reply is not None:
            return False
        is_same = (one.id, one.revision) == (draft.utterance, draft.revision) and not one.is_speaking
        return is_same and one.failure is None and one.heard.text.strip() == draft.text

    def _confirm_draft(self, draft: Draft, one: Utterance, now: Instant) -> None:
        """The user had finished: the draft is the reply."""
        self.draft, self.reply = None, draft.reply
        reply = draft.reply
        assert self._new_message() == reply.message_id
        reply.wish = self._do
        if not self._is_attached:
            reply.playout.pause(now)
        self._show_status(StatusKind.PROCESSING)
        basis = do.TurnBasis(one.endpointing, one.early_starts, was_drafted=True)
        self._do(do.ConfirmReply(reply.generation, reply.turn_id, one.id, basis))
        for command in draft.held:
            self._do(command)
        for event in draft.audio:
            self._speak(reply, event, now)

    def _write_draft(
        self, draft: Draft, event: on.ReplyWritten | on.ReplyFinished | on.ReplyFailed | on.ToolCalled
    ) -> None:
        is_empty = isinstance(event, on.ReplyFinished) and not draft.reply.written
        if is_empty or isinstance(event, on.ReplyFailed):
            self._drop_draft()  # the turn itself may fare better
        else:
            draft.reply.write(event)

    def _drop_draft(self) -> None:
        if (draft := self.draft) is not None:
            self.draft = None
            self._do(do.CancelReply(draft.reply.generation))

    # ── The end of a reply ───────────────────────────────────────────────────────────────────────

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
        self._ducked = None  # nothing is left that could go on
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

    def _report_playback(self, event: on.PlaybackReported, now: Instant) -> None:
        turn_id, played_ms = event.turn_id, event.played_ms
        if self.reply and self.reply.turn_id == turn_id:
            is_paused = event.is_paused or not self._is_attached
            self.reply.playout.report(played_ms, now, is_paused=is_paused)
        elif self._cut and self._cut[0].turn_id == turn_id and now - self._cut[1] <= CORRECTION_MS:
            reply, cut_at, message = self._cut
            heard_ms = min(max(played_ms, 0.0), reply.playout.sent_ms)
            better = replace(message, text=reply.spoken_text(heard_ms))
            if better != message and reply.options.wants_audio:
                self._cut = (reply, cut_at, better)
                self.history.correct(better)
                self._drop_draft()
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
        return self._turn_id(self._turns)

    def _new_message(self) -> MessageId:
        self._messages += 1
        return self._message_id(self._messages)

    def _turn_id(self, number: int) -> TurnId:
        return TurnId(f"turn_{self._seed}{number:05}")

    def _message_id(self, number: int) -> MessageId:
        return MessageId(f"msg_{self._seed}{number:05}")
