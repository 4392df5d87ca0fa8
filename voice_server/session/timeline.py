"""When the stages of one turn happened; the one record behind `metrics`, `/metrics` and traces.

The stages are laid end to end, so that they add up to the response time: the wait for the end of the turn,
what the transcript took beyond it, the first token, and from there to the first sound.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from voice_server.clock import Clock, Instant
from voice_server.core.commands import TurnBasis
from voice_server.core.wire import (
    AudioEnd,
    AudioOut,
    EarlyStarts,
    ErrorOut,
    MessageChunk,
    Metrics,
    Output,
    SpeechStoppedOut,
    TurnEnd,
)
from voice_server.ids import TurnId
from voice_server.ops.turns import Moment, ReplyHeard, TurnReport


@dataclass(slots=True)
class Timeline:
    """Moments of one turn; None: it has not happened, or the turn has no such stage.

    `providers` are those that were chosen, `served` those that did the work where that is known.
    """

    speech_ended: Instant | None = None
    decided: Instant | None = None
    started: Instant | None = None
    first_token: Instant | None = None
    first_audio: Instant | None = None
    providers: tuple[tuple[str, str], ...] = ()
    basis: TurnBasis = TurnBasis()
    served: dict[str, str] = field(default_factory=dict)
    first_clause: Instant | None = None
    end_reason: str = "completed"
    failures: tuple[tuple[str, str], ...] = ()

    def metrics(self, turn_id: TurnId, now: Instant) -> Metrics:
        """The durations between the moments, of a turn of which everything is sent."""
        moments = (self.speech_ended, self.decided, self.started)
        basis, end = self.basis, self.basis.endpointing
        heard = next((moment for moment in moments if moment is not None), None)
        return Metrics(
            turn_id,
            endpoint_ms=_between(self.speech_ended, self.decided),
            stt_ms=_between(self.decided, self.started),
            llm_first_token_ms=_between(self.started, self.first_token),
            tts_first_audio_ms=_between(self.first_token, self.first_audio),
            response_ms=_between(heard, self.first_audio),
            providers=dict(self.providers) | self.served,
            endpointing=None if end is None else TurnEnd(end.wait_ms, end.reasons),
            early_starts=_early_starts(basis),
            llm_first_clause_ms=_between(self.first_token, self.first_clause),
            send_ms=_between(self.first_audio, now),
        )

    def report(self, session_id: str, conversation_id: str, turn_id: TurnId, now: Instant) -> TurnReport:
        """The moments themselves, of a turn of which everything is sent."""
        moments = {
            Moment.SPEECH_ENDED: self.speech_ended,
            Moment.DECIDED: self.decided,
            Moment.TRANSCRIBED: self.started,
            Moment.FIRST_TOKEN: self.first_token,
            Moment.FIRST_CLAUSE: self.first_clause,
            Moment.FIRST_AUDIO: self.first_audio,
            Moment.SENT: now,
        }
        happened = {moment: at for moment, at in moments.items() if at is not None}
        return TurnReport(
            session_id,
            conversation_id,
            turn_id,
            self.end_reason,
            happened,
            dict(self.providers) | self.served,
            self.failures,
            _early_starts(self.basis),
        )


class Timelines:
    """The timelines of the utterances that may become turns, and of the present turn.

    `moment_of` gives the moment at which the input stream was at a position.
    """

    def __init__(self, clock: Clock, moment_of: Callable[[float], Instant]) -> None:
        self._clock = clock
        self._moment_of = moment_of
        self._of_utterance: dict[int, Timeline] = {}
        self._settled: int | None = None  # the utterance that fell silent last
        self._present = Timeline()
        self._sent: tuple[TurnId, Instant] | None = None  # the turn that was sent last, until it is heard

    def open(self, utterance: int) -> None:
        """Somebody begins to speak."""
        self._of_utterance[utterance] = Timeline()

    def settle(self, utterance: int, stopped_at_ms: float | None) -> None:
        """An utterance may be over; `stopped_at_ms` is where its voice ended, if it was listened for."""
        self._settled = utterance
        timeline = self._of_utterance.setdefault(utterance, Timeline())
        timeline.decided = self._clock.now()
        if stopped_at_ms is not None:
            timeline.speech_ended = self._moment_of(stopped_at_ms)

    def start(
        self,
        utterance: int | None,
        providers: tuple[tuple[str, str], ...],
        basis: TurnBasis = TurnBasis(),  # noqa: B008 (frozen)
    ) -> None:
        """A turn begins, in answer to an utterance or unasked."""
        self._present = Timeline()
        if utterance is not None:
            self._present = self._of_utterance.pop(utterance, self._present)
            # Those before it never became turns.
            self._of_utterance = {one: it for one, it in self._of_utterance.items() if one > utterance}
        self._present.started = self._clock.now()
        self._present.providers, self._present.basis = providers, basis
        ended, decided = self._present.speech_ended, self._present.decided
        end = basis.endpointing
        if end is not None and end.reasons != ("silence",) and ended is not None and decided is not None:
            # The words were waited for as well; that is the transcript's time.
            self._present.decided = Instant(min(decided, ended + end.wait_ms))

    def serve(self, utterance: int | None, stage: str, name: str) -> None:
        """Who does the work of a stage: for an utterance whose turn is to come, or for the present turn."""
        timeline = self._present if utterance is None else self._of_utterance.get(utterance, self._present)
        timeline.served[stage] = name

    def note(self, output: Output) -> None:
        """Something goes out to the caller."""
        match output:
            case SpeechStoppedOut() if self._settled in self._of_utterance:
                self._of_utterance[self._settled].decided = self._clock.now()
            case MessageChunk() if self._present.first_token is None:
                self._present.first_token = self._clock.now()
            case AudioOut() if self._present.first_audio is None:
                self._present.first_audio = self._clock.now()
            case AudioEnd(reason=reason):
                self._present.end_reason = reason.value
            case ErrorOut(turn_id=turn_id, stage=stage, code=code) if turn_id is not None:
                self._present.end_reason = "failed"
                self._present.failures += ((stage, code),)
            case _:
                pass

    def note_clause(self) -> None:
        """There is something to be spoken."""
        if self._present.first_clause is None:
            self._present.first_clause = self._clock.now()

    def metrics(self, turn_id: TurnId) -> Metrics:
        """The present turn's."""
        return self._present.metrics(turn_id, self._clock.now())

    def report(self, session_id: str, conversation_id: str, turn_id: TurnId) -> TurnReport:
        """The present turn's."""
        now = self._clock.now()
        self._sent = (turn_id, now)
        return self._present.report(session_id, conversation_id, turn_id, now)

    def heard(self, turn_id: TurnId, heard_ms: float) -> ReplyHeard:
        """A turn's reply was heard to its end or to a cut, now, or that is known better now."""
        sent = self._sent[1] if self._sent is not None and self._sent[0] == turn_id else None
        if sent is not None:
            self._sent = None
        return ReplyHeard(turn_id, heard_ms, sent, self._clock.now())


def _early_starts(basis: TurnBasis) -> EarlyStarts | None:
    if not basis.early_starts:
        return None
    return EarlyStarts(basis.early_starts, basis.was_drafted, basis.lead_ms)


def _between(start: Instant | None, end: Instant | None) -> float | None:
    return None if start is None or end is None else max(end - start, 0.0)
