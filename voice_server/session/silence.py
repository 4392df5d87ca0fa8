"""Watches that a caller who waits is not left in silence, whoever is to blame.

All that is said to bridge a wait is due here, on one count of silence: nothing is said about it twice.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from voice_server.clock import Clock, Instant
from voice_server.core.wire import AudioOut, ErrorOut, Output
from voice_server.session.limits import Deadlines

_BRIDGE_AGAIN_MS = 8_000


class Lull(Enum):
    """Why a silence is to be broken: for a mere filler, for slow tools, or because it is too long."""

    EARLY = auto()
    TOOLS = auto()
    LONG = auto()


class SilenceWatch:
    """Counts from when the caller began to wait, the last sound was played, or the last error told.

    Args:
        bridge_ms: how long tools may keep the caller in silence; 0 is for ever. Where `deadlines` bound no
            silence, it is bridged again and again.
        break_silence: it has lasted for too long; told why, and whether slow tools were bridged before. What
            it says comes back through `note`.
    """

    def __init__(
        self,
        clock: Clock,
        deadlines: Deadlines,
        bridge_ms: float,
        break_silence: Callable[[Lull, bool], None],
    ) -> None:
        self._clock = clock
        self._filler_ms, self._silence_ms = deadlines.filler_ms, deadlines.silence_ms
        self._bridge_ms = bridge_ms
        self._break_silence = break_silence
        self._quiet_from = clock.now()
        self._may_fill = True
        self._is_waited = False
        self._tools = 0  # how many replies wait for theirs; one that was cut may take a moment to let go
        self._tools_from = Instant(0.0)
        self._bridged_at: Instant | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def note(self, output: Output) -> None:
        """The caller is told this."""
        now = self._clock.now()
        match output:
            case AudioOut():
                self._quiet_from = Instant(max(self._quiet_from, now) + output.duration_ms)
                self._may_fill = False
            case ErrorOut():
                self._quiet_from = Instant(max(self._quiet_from, now))
                self._may_fill = False
            case _:
                pass

    def watch(self, is_waited: bool) -> None:
        """Whether the caller waits for something to be heard now."""
        if is_waited == self._is_waited:
            return
        if is_waited:
            self._is_waited = True
            self._quiet_from, self._may_fill = self._clock.now(), True
            self._set_alarm()
        else:
            self.close()

    @contextmanager
    def awaiting_tools(self) -> Iterator[None]:
        """Inside, it is tools that the caller waits for."""
        self._tools += 1
        self._tools_from, self._bridged_at = self._clock.now(), None
        if self._is_waited:
            self._set_alarm()
        try:
            yield
        finally:
            self._tools -= 1

    def close(self) -> None:
        """Watch no more."""
        self._is_waited = False
        self._cancel_alarm()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set_alarm(self) -> None:
        self._cancel_alarm()
        if (due := self._due) is not None:
            wait_s = max(due[0] - self._clock.now(), 1.0) / 1000
            self._alarm = asyncio.get_running_loop().call_later(wait_s, self._ring)

    @property
    def _due(self) -> tuple[float, Lull] | None:
        """When the silence is to be broken next, and why."""
        dues: list[tuple[float, Lull]] = []
        if self._filler_ms and self._may_fill:
            dues.append((self._quiet_from + self._filler_ms, Lull.EARLY))
        elif self._silence_ms:
            dues.append((self._quiet_from + self._silence_ms, Lull.LONG))
        if self._tools and self._bridge_ms:
            if self._bridged_at is None:
                dues.append((max(self._quiet_from, self._tools_from) + self._bridge_ms, Lull.TOOLS))
            elif not self._silence_ms:
                dues.append((max(self._quiet_from, self._bridged_at) + _BRIDGE_AGAIN_MS, Lull.TOOLS))
        return min(dues, key=lambda due: due[0], default=None)

    def _ring(self) -> None:
        self._alarm = None
        if (due := self._due) is not None and self._clock.now() >= due[0] - 1:
            now, lull = self._clock.now(), due[1]
            is_bridged = self._tools > 0 and self._bridged_at is not None
            self._may_fill = False
            if lull is Lull.TOOLS:
                self._bridged_at = now
            self._break_silence(lull, is_bridged)
            if lull is Lull.LONG:  # even if nothing could be said: not at once again
                self._quiet_from = Instant(max(self._quiet_from, now))
        if self._is_waited:
            self._set_alarm()
