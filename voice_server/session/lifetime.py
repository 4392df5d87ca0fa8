"""When a session has lasted long enough: too old, or nothing from its caller for too long."""

import asyncio
from collections.abc import Callable

from voice_server.clock import Clock
from voice_server.core.wire import ErrorOut
from voice_server.session.limits import SessionLimits


class Lifetime:
    """Counts from its making, and from the last sign of life.

    Args:
        warn: tells the caller that the end is near.
        end: ends the session, with the reason.
        longest_ms: less than the limits allow, where this caller may have only that.
    """

    def __init__(
        self,
        clock: Clock,
        limits: SessionLimits,
        warn: Callable[[ErrorOut], None],
        end: Callable[[str], None],
        longest_ms: float | None = None,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._warn = warn
        self._end = end
        self._longest_ms = min(limits.longest_ms, longest_ms or limits.longest_ms)
        self._began_at = self._last_sign_at = clock.now()

    def sign(self) -> None:
        """The caller is there."""
        self._last_sign_at = self._clock.now()

    async def watch(self) -> None:
        """Until the session has to end."""
        has_warned = False
        while True:
            now = self._clock.now()
            old_at = self._began_at + self._longest_ms
            idle_at = self._last_sign_at + self._limits.idle_ms
            ends_at = min(old_at, idle_at)
            if now >= ends_at:
                self._end("too_old" if ends_at == old_at else "idle")
                return
            warn_at = ends_at - self._limits.warn_before_end_ms
            if now < warn_at:
                has_warned = False
            elif not has_warned:
                has_warned = True
                self._warn(_ending(ends_at - now, is_idle=idle_at < old_at))
            await asyncio.sleep(max((ends_at if has_warned else warn_at) - now, 1.0) / 1000)


def _ending(left_ms: float, *, is_idle: bool) -> ErrorOut:
    why = "nothing came from you for a while" if is_idle else "it has reached its longest duration"
    sentence = f"This session ends in {left_ms / 1000:.0f} s: {why}."
    return ErrorOut("session_ending", sentence, retryable=False, stage="limit")
