"""What is told about a turn when it is over, and to whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from voice_server.clock import Instant
from voice_server.core.wire import EarlyStarts


class Moment(StrEnum):
    """The moments of a turn, in the order in which they usually come."""

    SPEECH_ENDED = "speech_ended"
    DECIDED = "decided"
    TRANSCRIBED = "transcribed"
    FIRST_TOKEN = "first_token"
    FIRST_CLAUSE = "first_clause"
    FIRST_AUDIO = "first_audio"
    SENT = "sent"


STAGES: Mapping[str, tuple[Moment, Moment]] = {
    "endpoint": (Moment.SPEECH_ENDED, Moment.DECIDED),
    "stt": (Moment.DECIDED, Moment.TRANSCRIBED),
    "llm_first_token": (Moment.TRANSCRIBED, Moment.FIRST_TOKEN),
    "llm_first_clause": (Moment.FIRST_TOKEN, Moment.FIRST_CLAUSE),
    "tts_first_audio": (Moment.FIRST_CLAUSE, Moment.FIRST_AUDIO),
    "send": (Moment.FIRST_AUDIO, Moment.SENT),
}
"""From which moment to which each stage lasts."""


@dataclass(frozen=True, slots=True)
class TurnReport:
    """A turn of which everything is generated and sent. A moment that it did not have is missing.

    `end_reason`: `completed`, `interrupted` or `failed`; `failures`: the stage and code of each error;
    `providers`: who served which stage, the language model's as `provider/model`.
    """

    session_id: str
    conversation_id: str
    turn_id: str
    end_reason: str
    moments: Mapping[Moment, Instant]
    providers: Mapping[str, str]
    failures: tuple[tuple[str, str], ...] = ()
    early_starts: EarlyStarts | None = None

    def stage_ms(self, stage: str) -> float | None:
        """How long a stage took; None if the turn had no such stage."""
        return self._between(*STAGES[stage])

    @property
    def response_ms(self) -> float | None:
        """From the end of speech, or what else asked for the turn, to the first sound."""
        asked = (Moment.SPEECH_ENDED, Moment.DECIDED, Moment.TRANSCRIBED)
        begin = next((moment for moment in asked if moment in self.moments), None)
        return None if begin is None else self._between(begin, Moment.FIRST_AUDIO)

    def _between(self, begin: Moment, end: Moment) -> float | None:
        if begin not in self.moments or end not in self.moments:
            return None
        return max(self.moments[end] - self.moments[begin], 0.0)


@dataclass(frozen=True, slots=True)
class ReplyHeard:
    """How much of a turn's audio was heard, to its end or to a cut; told again where it is known better.

    `sent` is when the last of it was sent; None where the turn was told of before.
    """

    turn_id: str
    heard_ms: float
    sent: Instant | None
    at: Instant


class TurnWatcher(Protocol):
    """Somebody who wants to know of turns. Called on the event loop; never raises."""

    def turn_ended(self, report: TurnReport) -> None:
        """Everything of a turn is sent."""
        ...

    def reply_heard(self, heard: ReplyHeard) -> None:
        """After `turn_ended`; of a turn without audio, or one that nobody waited for, not at all."""
        ...
