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
# By phrase: how the wait for the unclear changes where it sounds finished, unclear, unfinished.
_FACTORS = {
    Phrase.UNKNOWN: (0.5, 1.0, 2.0),
    Phrase.QUESTION: (0.4, 0.7, 1.4),
    Phrase.ANSWER: (0.4, 0.6, 1.0),
    Phrase.STATEMENT: (0.6, 1.0, 2.6),
}
_SOUNDS = ("sounds_finished", "sounds_unclear", "sounds_unfinished")


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


def judge(policy: TurnPolicy, evidence: Evidence) -> Endpointing:
    """How much silence ends the turn."""
    if policy.mode is not TurnMode.SEMANTIC:
        return Endpointing(policy.silence_ms, ("silence",))
    phrase = phrase_of(evidence.text, evidence.language)
    reasons = [] if phrase is Phrase.UNKNOWN else [f"words_{phrase.value}"]
    if phrase in (Phrase.OPEN, Phrase.DICTATION):
        factor = _OPEN_FACTOR
    else:
        sound = _sound(evidence.probability)
        factor = _FACTORS[phrase][sound]
        if evidence.probability is not None:
            reasons.append(_SOUNDS[sound])
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


def _sound(probability: float | None) -> int:
    if probability is None or UNFINISHED <= probability <= FINISHED:
        return 1
    return 0 if probability > FINISHED else 2
