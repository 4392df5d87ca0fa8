"""How long one caller pauses within a thought, learned from the pauses after which the caller went on."""

from dataclasses import dataclass
from typing import Protocol

KEPT = 40
FEWEST = 5
"""Pauses that say something about a person."""
LONGEST_MS = 3_000.0
"""A longer one was no pause within a thought."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """The last pauses of one caller, in milliseconds, oldest first."""

    lengths_ms: tuple[float, ...] = ()

    def and_then(self, length_ms: float) -> "Pauses":
        """With one more."""
        return Pauses((*self.lengths_ms, round(length_ms))[-KEPT:])

    @property
    def usual_ms(self) -> float | None:
        """Nine in ten are no longer; None while too few are known."""
        if len(self.lengths_ms) < FEWEST:
            return None
        return sorted(self.lengths_ms)[int(len(self.lengths_ms) * 0.9)]


class Habits(Protocol):
    """What is learned about callers, kept across their sessions. `user_id` is a label within an owner."""

    def pauses(self, owner: str, user_id: str) -> Pauses:
        """What is known of this caller."""
        ...

    def learn(self, owner: str, user_id: str, pauses: Pauses) -> None:
        """Know this from now on. Never blocks."""
        ...
