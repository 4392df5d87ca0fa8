"""How much a caller may still use, looked at between turns."""

from collections.abc import Callable

from voice_server.core.caller import Caller
from voice_server.core.usage import Standing, UsageMeter
from voice_server.errors import VoiceServerError


class Allowance:
    """One session's.

    Args:
        report: tells the caller.
        end: ends the session, with the reason.
    """

    def __init__(
        self,
        meter: UsageMeter,
        caller: Caller,
        report: Callable[[VoiceServerError], None],
        end: Callable[[str], None],
    ) -> None:
        self._meter = meter
        self._caller = caller
        self._report = report
        self._end = end
        self._has_warned = False

    async def look(self) -> None:
        """A caller who has used up what it may is told, and let go."""
        standing = await self._meter.standing(self._caller, voice=True)
        self.heed(standing)
        if standing.refusal is not None:
            self._end("over_limit")

    def heed(self, standing: Standing) -> None:
        """Tell of a limit that is near, once, or reached."""
        if standing.refusal is not None:
            self._report(standing.refusal)
        elif standing.warning is not None and not self._has_warned:
            self._has_warned = True
            self._report(standing.warning)
