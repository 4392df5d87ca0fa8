"""How long a silence must last before the user's turn has ended.

The end-of-turn model listens to the voice and errs often: it also calls many sentences complete that were
cut in the middle. The words know better when a clause is unfinished, and say nothing of a thought that is.
So both are asked, and the caller's own pauses; together they choose one wait.
"""

from dataclasses import dataclass

from voice_server.core.pauses import Pauses
from voice_server.core.phrases import Phrase, phrase_of
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import TurnMode

SHORTEST_MS, LONGEST_MS = 200.0, 1_500.0
"""Between these is every wait of semantic mode, unless the client's own `silence_ms` lies outside."""

FINISHED = 0.7
UNFINISHED = 0.3
SLOWEST_PACE, FASTEST_PACE = 1.6, 0.8

_OPEN_FACTOR = 3.0
# By phrase: what becomes of the client's wait at each of these probabilities, and evenly between them.
_PROBABILITIES = (0.1, 0.5, 0.95)
_FACTORS = {
    Phrase.UNKNOWN: (2.0, 1.0, 0.5),
    Phrase.DOUBTFUL: (3.0, 2.0, 0.8),
    Phrase.QUESTION: (1.4, 0.7, 0.4),
    Phrase.ANSWER: (1.0, 0.6, 0.4),
    Phrase.STATEMENT: (2.6, 1.0, 0.6),
}
_REBUKE_FACTOR = 1.6  # "No." to somebody who was talking is mostly the beginning


@dataclass(frozen=True, slots=True)
class Endpointing:
    """So much silence ends the turn, and why."""

    wait_ms: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when the voice pauses. `probability`: how finished it sounds. None: not known (yet)."""

    probability: float | None = None
    text: str | None = None
    language: str | None = None
    pauses: Pauses = Pauses()
    has_interrupted: bool = False


def judge(policy: TurnPolicy, evidence: Evidence) -> Endpointing:
    """How much silence ends the turn."""
    if policy.mode is not TurnMode.SEMANTIC:
        return Endpointing(policy.silence_ms, ("silence",))
    phrase = phrase_of(evidence.text, evidence.language)
    reasons = [] if phrase is Phrase.UNKNOWN else [f"words_{phrase.value}"]
    if phrase in (Phrase.OPEN, Phrase.DICTATION):
        factor = _OPEN_FACTOR
    elif phrase is Phrase.ANSWER and evidence.has_interrupted:
        factor = _REBUKE_FACTOR
        reasons.append("after_interrupting")
    else:
        factor = _between(_FACTORS[phrase], evidence.probability)
        if evidence.probability is not None:
            reasons.append(_sound(evidence.probability))
        if (usual_ms := evidence.pauses.usual_ms) is not None:
            pace = min(max(1.25 * usual_ms / policy.silence_ms, FASTEST_PACE), SLOWEST_PACE)
            factor *= pace
            if pace != 1:
                reasons.append("caller_pauses_long" if pace > 1 else "caller_pauses_briefly")
    shortest_ms = min(SHORTEST_MS, policy.silence_ms)
    longest_ms = longest_wait_ms(policy)
    wait_ms = min(max(policy.silence_ms * factor, shortest_ms), longest_ms)
    return Endpointing(round(wait_ms), tuple(reasons) or ("silence",))


def longest_wait_ms(policy: TurnPolicy) -> float:
    """After so much silence a turn has ended, whatever was said."""
    return max(LONGEST_MS, policy.silence_ms) if policy.mode is TurnMode.SEMANTIC else policy.silence_ms


def _between(factors: tuple[float, float, float], probability: float | None) -> float:
    low, middle, high = _PROBABILITIES
    at_low, at_middle, at_high = factors
    if probability is None:
        return at_middle
    if probability <= middle:
        share = max(probability - low, 0.0) / (middle - low)
        return at_low + (at_middle - at_low) * share
    share = (min(probability, high) - middle) / (high - middle)
    return at_middle + (at_high - at_middle) * share


def _sound(probability: float) -> str:
    if UNFINISHED <= probability <= FINISHED:
        return "sounds_unclear"
    return "sounds_finished" if probability > FINISHED else "sounds_unfinished"
