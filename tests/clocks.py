"""A clock for what only needs to be told the time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from voice_server.clock import Instant


@dataclass(slots=True)
class HandClock:
    """Moved by hand; else it stands still."""

    at: Instant = Instant(0.0)
    today: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def now(self) -> Instant:
        return self.at

    def utc(self) -> datetime:
        return self.today
