"""How long a silence must last before the user's turn has ended.

A pause sounds finished or not; the end-of-turn model is right often enough to shorten or stretch the wait,
not to replace it: it also calls many sentences complete that were cut in the middle.
"""

from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import TurnMode

FINISHED = 0.7
UNFINISHED = 0.3
FINISHED_FACTOR = 0.5
UNFINISHED_FACTOR = 2.0


def wait_ms(policy: TurnPolicy, probability: float | None) -> float:
    """How much silence ends the turn, given how finished the utterance sounds (None: not known yet)."""
    if policy.mode is not TurnMode.SEMANTIC or probability is None:
        return policy.silence_ms
    if probability > FINISHED:
        return policy.silence_ms * FINISHED_FACTOR
    if probability < UNFINISHED:
        return policy.silence_ms * UNFINISHED_FACTOR
    return policy.silence_ms
