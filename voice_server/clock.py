"""Time, injected: waiting is measured by `Clock.now()`, never by the wall clock.

Under test the event loop's clock is virtual, so a clock that asks the loop is virtual too.
"""

import asyncio
from datetime import UTC, datetime
from typing import NewType, Protocol

Instant = NewType("Instant", float)
"""Milliseconds on a monotonic clock; only differences mean anything."""


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> Instant:
        """Monotonic milliseconds."""
        ...

    def utc(self) -> datetime:
        """The time of day, for records that people read."""
        ...


class LoopClock:
    """The clock of the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> Instant:
        """Monotonic milliseconds of the loop."""
        return Instant(self._loop.time() * 1000)

    def utc(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)
