"""Which of an engine's slots reads which prompt.

Each slot remembers what it read last, and reads on from where the next prompt differs. A conversation whose
prompt goes to another slot is read from its beginning again, for seconds; and whoever had that slot, too.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from os.path import commonprefix


class Slots:
    """So many replies at once; more wait for a free slot."""

    def __init__(self, count: int) -> None:
        self._read: dict[int, Sequence[str]] = dict.fromkeys(range(count), ())  # the latest read is last
        self._taken: set[int] = set()
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def take(self, prompt: Sequence[str]) -> AsyncIterator[int]:
        """Inside, the slot that is given is the caller's: of those free, the one that knows most of `prompt`,
        and of equals the one that rested longest.

        `prompt` are the messages without the system's, which is no reason to take a conversation's slot. The
        engine may be some moments behind, with what was stopped: it begins when the slot is idle.
        """
        async with self._free:
            slot = max(set(self._read) - self._taken, key=lambda one: self._value(one, prompt))
            del self._read[slot]
            self._read[slot] = prompt
            self._taken.add(slot)
            try:
                yield slot
            finally:
                self._taken.discard(slot)

    def _value(self, slot: int, prompt: Sequence[str]) -> tuple[float, int]:
        return _in_common(self._read[slot], prompt), -list(self._read).index(slot)


def _in_common(known: Sequence[str], wanted: Sequence[str]) -> float:
    """How many messages begin both; half a one where the next begins alike."""
    for count, (one, other) in enumerate(zip(known, wanted, strict=False)):
        if one != other:
            is_alike = 2 * len(commonprefix((one, other))) >= min(len(one), len(other))
            return count + is_alike / 2
    return min(len(known), len(wanted))
