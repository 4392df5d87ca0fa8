"""Watches that a caller who waits is not left in silence, whoever is to blame."""

import asyncio
from collections.abc import Callable

from voice_server.clock import Clock, Instant
from voice_server.core.wire import AudioOut, ErrorOut, Output
from voice_server.session.limits import Deadlines


class SilenceWatch:
    """Counts from when the caller began to wait, the last sound was played, or the last error told.

    Args:
        break_silence: it has lasted for too long; told whether this is only the early filler. What it says
            comes back through `note`.
    """

    def __init__(self, clock: Clock, deadlines: Deadlines, break_silence: Callable[[bool], None]) -> None:
        self._clock = clock
        self._filler_ms, self._silence_ms = deadlines.filler_ms, deadlines.silence_ms
        self._break_silence = break_silence
        self._quiet_from = clock.now()
        self._may_fill = True
        self._is_waited = False
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
        self._is_waited = is_waited
        if is_waited:
            self._quiet_from, self._may_fill = self._clock.now(), True
            self._set_alarm()
        else:
            self.close()

    def close(self) -> None:
        """Watch no more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set_alarm(self) -> None:
        if (due := self._due) is not None:
            wait_s = max(due - self._clock.now(), 1.0) / 1000
            self._alarm = asyncio.get_running_loop().call_later(wait_s, self._ring)

    @property
    def _due(self) -> float | None:
        if self._filler_ms and self._may_fill:
            return self._quiet_from + self._filler_ms
        return self._quiet_from + self._silence_ms if self._silence_ms else None

    def _ring(self) -> None:
        self._alarm = None
        if (due := self._due) is not None and self._clock.now() >= due - 1:
            is_early = bool(self._filler_ms) and self._may_fill
            self._may_fill = False
            self._break_silence(is_early)
            if not is_early:  # even if nothing could be said: not at once again
                self._quiet_from = Instant(max(self._quiet_from, self._clock.now()))
        self._set_alarm()
