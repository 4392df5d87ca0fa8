"""The conversation: whose turn it is, when a turn ends, when a reply is cut. Decided here and nowhere else.

A pure state machine. `step(event, now)` takes one fact and gives the wishes that follow from it, in order; it
does no I/O and reads no clock, so the same events give the same commands. `wake_at` says when the driver must
`step(Tick(), now)` at the latest.

The user's side is a queue of utterances (`core.listening`), the assistant's at most one reply
(`core.answering`). A turn begins when the first utterance of the queue is understood and may interrupt;
beginning a turn cuts the reply before it. What was said and heard is remembered (`core.memory`).

Two things happen before they are certain. A reply may be drafted while it is not yet sure that the user has
finished (`core.draft`), and a voice over a reply is weighed before it cuts (`core.overlap`).
"""

from typing import assert_never

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.answering import Answering
from voice_server.core.draft import is_worth_drafting
from voice_server.core.history import History, Message
from voice_server.core.listening import Listening
from voice_server.core.memory import Memory
from voice_server.core.numbering import Numbering
from voice_server.core.overlap import Overlap, Verdict
from voice_server.core.pauses import Pauses
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.reply import Reply
from voice_server.core.sentences import Sentence
from voice_server.core.utterance import Source, Utterance
from voice_server.core.wire import (
    CutCause,
    EndReason,
    Interrupted,
    OverlapOut,
    StatusKind,
    TranscriptionOut,
    TurnMode,
)
from voice_server.core.wishes import Wishes
from voice_server.errors import AudioError, VoiceServerError
from voice_server.ids import ConversationId, TurnId


class Conversation:
    """The state of one session's conversation.

    Args:
        seed: makes this session's turn and message ids its own.
        history: what was said before.
        pauses: how this caller is known to pause.
        is_paced: whether replies to live input are.
        language: what the caller speaks, and the server apologises in (BCP 47).
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
        self.policy = policy or TurnPolicy()
        self._wishes = Wishes()
        self._numbering = Numbering(seed)
        self._live_options = ReplyOptions(paced=is_paced)
        self.memory = Memory(self._wishes, conversation_id, history or History())
        self.listening = Listening(self._wishes, pauses or Pauses(), self._live_options)
        self.answering = Answering(self._wishes, self.memory, self._numbering, language)
        self._ducked: TurnId | None = None  # its client is told that a voice over it is weighed

    @property
    def conversation_id(self) -> ConversationId:
        """Which conversation it is, for the ledger."""
        return self.memory.conversation_id

    @property
    def status(self) -> StatusKind | None:
        """What the caller was last told; None before anything happened."""
        return self._wishes.status

    @property
    def reply(self) -> Reply | None:
        """The reply under way."""
        return self.answering.reply

    @property
    def wake_at(self) -> Instant | None:
        """When the last of a sent reply is heard, or patience with a voice over it ends; None: never."""
        moments: list[Instant] = []
        if self.reply and self.reply.has_turn_ended and not self.reply.playout.is_paused:
            moments.append(self.reply.heard_by)
        if (overlap := self._overlap) is not None and overlap.decide_by is not None:
            moments.append(overlap.decide_by)
        return min(moments, default=None)

    @property
    def is_held(self) -> bool:
        """Whether no more of the reply is to be sent for now: a voice over it is being weighed."""
        return (overlap := self._overlap) is not None and overlap.is_holding

    def step(self, event: on.Event, now: Instant) -> list[do.Command]:
        """Take one fact; give the wishes that follow."""
        self._finish_what_is_heard(now)  # the driver's alarm may be late
        match event:
            case on.SpeechStarted() | on.SpeechConfirmed() | on.SpeechStopped() | on.InputBegan():
                self._hear(event, now)
            case on.VoiceCompared(_, likeness, level_dbfs):
                if (one := self.listening.open) is not None and one.overlap is not None:
                    one.overlap.compare(likeness, level_dbfs)
                    self._weigh(one, one.partial, now)
            case on.SilenceReached(at_ms):
                if self.listening.open and self.listening.open.is_over(at_ms):
                    self._decide()
            case on.UtteranceFull(at_ms):
                self._overflow(at_ms)
            case on.EndOfTurnScored():
                self.listening.score(event, self.policy)
            case on.PartialTranscribed(_, text):
                if (one := self.listening.guess(event)) is not None:
                    self._weigh(one, text.strip(), now)
            case on.Transcribed() | on.TranscriptionFailed():
                self._understand(event, now)
            case on.StreamOpened():
                if self.reply is None and not self.listening.waiting:
                    self._wishes.show_status(StatusKind.LISTENING)
            case on.StreamClosed(at_ms):
                self._finish_utterance(at_ms)
            case on.Committed(at_ms):
                self._commit(at_ms)
            case on.Cleared():
                self.listening.clear()
                if self.policy.mode is TurnMode.MANUAL:
                    self._interrupt("speech", now)
            case on.ClipReceived(clip, options):
                self._interrupt("message", now)
                one = self.listening.add_clip(options)
                self._wishes.show_status(StatusKind.PROCESSING)
                self._wishes.do(do.TranscribeClip(one.id, one.revision, clip))
            case on.TextReceived(text, options):
                self._interrupt("message", now)
                self.listening.add_text(text, options)
            case on.Prompted(text):
                if self.reply is None and self.listening.is_idle:
                    reply = self.answering.start(
                        self._numbering.turn(), self._live_options, now, asks_model=False
                    )
                    reply.write(on.ReplyWritten(reply.generation, text))
                    reply.write(on.ReplyFinished(reply.generation))
            case on.StopRequested():
                self._interrupt("stop", now)
            case on.PlaybackReported():
                self._report_playback(event, now)
            case on.PolicyChanged(policy, language):
                self.policy, self.answering.language = policy, language or self.answering.language
                self.answering.drop_draft()
            case on.ConversationChanged(conversation_id, messages):
                self._interrupt("message", now)
                self.answering.drop_draft()
                self.memory.change(conversation_id, messages)
            case on.Detached(at_ms):
                self._finish_utterance(at_ms)
                self.answering.detach(now)
            case on.Attached(unreceived_ms):
                self.answering.attach(unreceived_ms, now)
            case on.ReplyWritten() | on.ReplyFinished() | on.ReplyFailed() | on.ToolCalled():
                self.answering.write(event)
            case on.ToolsSlow():
                self.answering.bridge(event, now)
            case on.AudioProduced() | on.SpeechFinished() | on.SpeechFailed():
                self.answering.speak(event, now)
            case on.Tick():
                if (one := self.listening.open) is not None:
                    self._weigh(one, one.partial, now)
            case _:
                assert_never(event)
        self._settle(now)
        self._show_overlap()
        return self._wishes.take()

    # ── The user's side ──────────────────────────────────────────────────────────────────────────

    def _hear(
        self,
        event: on.SpeechStarted | on.SpeechConfirmed | on.SpeechStopped | on.InputBegan,
        now: Instant,
    ) -> None:
        match event:
            case on.SpeechStarted(at_ms):
                reply = self.reply
                is_answer_heard = reply is not None and reply.playout.heard_ms(now) > 0
                self.listening.notice_pause(at_ms, is_answer_heard=is_answer_heard)
                one = self.listening.go_on(at_ms, is_answered=reply is not None)
                one = one or self.listening.begin(Source.SPEECH, at_ms)
                is_weighed = self.policy.mode is TurnMode.SEMANTIC and self.answering.is_attached
                if reply and one.overlap is None and is_weighed:
                    one.overlap = Overlap.over(reply, now)
            case on.InputBegan(at_ms):
                if self.listening.open is None:
                    self.listening.begin(Source.COMMIT, at_ms)
            case on.SpeechConfirmed(_, level_dbfs):
                if self.listening.open:
                    self._confirm(self.listening.open, level_dbfs, now)
            case on.SpeechStopped(at_ms):
                if (stopped := self.listening.fall_silent(at_ms, self.policy)) is not None:
                    self.listening.watch(stopped, self.policy)
                    if stopped.overlap is not None:
                        stopped.overlap.fall_silent(now)
            case _:
                assert_never(event)

    def _understand(self, event: on.Transcribed | on.TranscriptionFailed, now: Instant) -> None:
        if (one := self.listening.understand(event)) is None:
            return
        if isinstance(event, on.Transcribed) and one.heard is not None:
            self._weigh(one, one.heard.text.strip(), now)
        if one is self.listening.open and not one.is_speaking and one.source is Source.SPEECH:
            self.listening.watch(one, self.policy)

    def _decide(self) -> None:
        """The user has finished."""
        if self.listening.decide() and self.reply is None:
            self._wishes.show_status(StatusKind.PROCESSING)

    def _finish_utterance(self, at_ms: float) -> None:
        """No more audio comes: what was heard is the utterance."""
        self.listening.fall_silent(at_ms, self.policy)
        self._decide()

    def _overflow(self, at_ms: float) -> None:
        """The utterance is at its longest: speech goes on as another, what awaits a commit is dropped."""
        if (one := self.listening.open) is None:
            return
        if one.source is Source.COMMIT:
            self.listening.drop_overlong()
            return
        is_speaking = one.is_speaking
        self._finish_utterance(at_ms)
        if is_speaking:
            self.listening.begin(Source.SPEECH, at_ms)

    def _commit(self, at_ms: float) -> None:
        if self.listening.open is None and self.policy.mode is TurnMode.MANUAL:
            nothing = "There is nothing to commit: no audio came since the last turn."
            self._wishes.show_error(AudioError(nothing, code="nothing_to_commit"))
        self._finish_utterance(at_ms)

    # ── Barge-in: a voice over a reply ───────────────────────────────────────────────────────────

    @property
    def _overlap(self) -> Overlap | None:
        """The voice that may yet cut the reply."""
        one = self.listening.open
        return one.overlap if one and self.policy.interrupt else None

    def _confirm(self, one: Utterance, level_dbfs: float | None, now: Instant) -> None:
        """The voice has lasted long enough to cut, or to be weighed."""
        one.confirm(level_dbfs)
        if one.overlap is None:
            if self.policy.interrupt:
                self._interrupt("speech", now)
            return
        one.overlap.confirm(self.listening.loudness_db(level_dbfs), now)
        self._weigh(one, one.partial, now)

    def _weigh(self, one: Utterance, text: str, now: Instant) -> None:
        """Whether what is said over a reply cuts it. Nods, echoes and voices far away are no turn."""
        if (overlap := one.overlap) is None or (one.heard is None and not self.policy.interrupt):
            return
        reply = self.reply if self.reply and self.reply.generation == overlap.generation else None
        ours = overlap.words_of(reply, now) if reply else ""
        language = (one.heard and one.heard.language) or self.answering.language
        match overlap.judge(text, ours, language, now, is_whole=one.heard is not None):
            case Verdict.HOLD:
                pass
            case Verdict.CUT:
                one.overlap, one.has_interrupted = None, self.policy.interrupt
                if reply and self.policy.interrupt:
                    self._interrupt("speech", now)
            case Verdict.PASS:
                self.listening.dismiss(one)
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
            self._wishes.show(OverlapOut(self._ducked, is_active=False))
        if turn_id is not None:
            self._wishes.show(OverlapOut(turn_id, is_active=True))
        self._ducked = turn_id

    def _interrupt(self, cause: CutCause, now: Instant) -> None:
        """Cut the reply, if there is one. This is all that happens at barge-in."""
        if (reply := self.reply) is None:
            return
        self.answering.reply = None
        heard_ms, heard_text = reply.playout.heard_ms(now), reply.heard_text(now)
        self._wishes.do(do.CancelReply(reply.generation))
        self._ducked = None  # nothing is left that could go on
        if reply.options.paced or not reply.has_turn_ended:
            self._wishes.show(Interrupted(reply.turn_id, heard_text, heard_ms, cause))
        reply.end_audio(EndReason.INTERRUPTED)
        if not reply.has_turn_ended:
            self._wishes.do(do.EndTurn(reply.turn_id))
        self.memory.heard_until_cut(reply, now)

    # ── Turns ────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, now: Instant) -> None:
        """Bring to an end what has ended, begin what can begin."""
        self._finish_what_is_heard(now)
        listening, answering = self.listening, self.answering
        if (draft := answering.draft) and (self.reply or not draft.answers(listening.first)):
            answering.drop_draft()
        while listening.waiting and self._may_begin(listening.waiting[0]):
            self._begin_turn(listening.take_first(), now)
        if self._may_draft and (one := listening.open) and is_worth_drafting(one, self.policy):
            answering.start_draft(one, now)
        if self.reply is None and not listening.waiting and self.status is not None:
            self._wishes.show_status(StatusKind.LISTENING)

    def _may_begin(self, one: Utterance) -> bool:
        is_free = self.reply is None or self.policy.interrupt or not one.is_live
        return one.is_understood and is_free

    @property
    def _may_draft(self) -> bool:
        is_free = self.reply is None and self.answering.draft is None and not self.listening.waiting
        return is_free and self.answering.is_attached

    def _begin_turn(self, one: Utterance, now: Instant) -> None:
        if one.failure is not None:
            self._fail_to_hear(one, one.failure, now)
            return
        assert one.heard is not None
        text = one.heard.text.strip()
        if not text:
            if one.source in (Source.CLIP, Source.COMMIT):
                nothing = AudioError("No speech was found in the audio.", code="no_speech")
                self._fail_to_hear(one, nothing, now)
            return
        self._interrupt("speech" if one.is_live else "message", now)
        if one.level_dbfs is not None:
            self.listening.learn_level(one.level_dbfs)
        turn_id, message = self._numbering.turn(), Message(self._numbering.message(), "user", text)
        spoken = one.source is not Source.TEXT
        language, confidence = one.heard.language, one.heard.confidence
        self.memory.user_said(do.UserSaid(turn_id, message, spoken, language, confidence))
        if spoken:
            self._wishes.show(TranscriptionOut(turn_id, text, language, confidence))
        if (draft := self.answering.draft) is not None:
            self.answering.confirm_draft(draft, one, now)
        else:
            basis = do.TurnBasis(one.endpointing, one.early_starts)
            self.answering.start(turn_id, one.options, now, utterance=one.id, language=language, basis=basis)

    def _fail_to_hear(self, one: Utterance, error: VoiceServerError, now: Instant) -> None:
        """No transcript: say so on the wire, and aloud where the caller waits for sound."""
        if one.source is not Source.CLIP and isinstance(error, AudioError):
            self._wishes.show_error(error)  # nothing was said: no turn
            return
        self._interrupt("speech" if one.is_live else "message", now)
        turn_id = self._numbering.turn()
        self._wishes.show_error(error, turn_id)
        reply = self.answering.start(turn_id, one.options, now, utterance=one.id, asks_model=False)
        reply.apologise(Sentence.NOT_HEARD.in_language(self.answering.language))

    # ── The end of a reply ───────────────────────────────────────────────────────────────────────

    def _finish_what_is_heard(self, now: Instant) -> None:
        """A reply of which everything is sent and heard is over."""
        reply = self.reply
        if reply and reply.has_turn_ended and reply.heard_by <= now and not reply.playout.is_paused:
            self.answering.reply = None
            self.memory.heard(reply, now)

    def _report_playback(self, event: on.PlaybackReported, now: Instant) -> None:
        if self.reply and self.reply.turn_id == event.turn_id:
            is_paused = event.is_paused or not self.answering.is_attached
            self.reply.playout.report(event.played_ms, now, is_paused=is_paused)
        elif (cut := self.memory.corrected(event.turn_id, event.played_ms, now)) is not None:
            self.answering.drop_draft()
            self.memory.correct(cut)
