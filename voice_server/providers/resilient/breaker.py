"""Leaves a provider alone that fails again and again; after a while one call tries it for all."""

from enum import StrEnum

LONGEST_REST_S = 60.0
"""A provider that asks for a longer rest is tried again after this."""


class Status(StrEnum):
    """How a provider does, as discovery tells it."""

    OK = "ok"
    TROUBLED = "troubled"


class Breaker:
    """Shared by all sessions. Closed, it lets all calls pass; open, none; after the window, one at a time."""

    def __init__(self, failures: int, window_s: float) -> None:
        self._most_failures = failures
        self._window_s = window_s
        self._failures = 0
        self._open_until_s: float | None = None
        self._probe: Pass | None = None

    @property
    def status(self) -> Status:
        """Troubled until a call has succeeded after it opened."""
        return Status.OK if self._open_until_s is None else Status.TROUBLED

    def would_admit(self, now_s: float) -> bool:
        """Whether a call may pass now."""
        return self._open_until_s is None or (now_s >= self._open_until_s and self._probe is None)

    def admit(self, now_s: float) -> "Pass | None":
        """A pass for one call, if it may be made."""
        if not self.would_admit(now_s):
            return None
        one = Pass(self)
        if self._open_until_s is not None:
            self._probe = one
        return one

    def answered(self, one: "Pass") -> None:
        """A call has something to show; not until it ends well are earlier failures forgotten."""
        if one is self._probe:
            self._open_until_s = self._probe = None
            self._failures = self._most_failures - 1

    def succeeded(self) -> None:
        """A call has ended well."""
        self._failures, self._open_until_s, self._probe = 0, None, None

    def failed(self, one: "Pass", now_s: float, rest_s: float | None) -> None:
        """A call has failed; `rest_s` is how long the provider asked to be left alone."""
        self._failures += 1
        is_probe, is_open = one is self._probe, self._open_until_s is not None
        if is_probe:
            self._probe = None
        pause_s = min(rest_s or 0.0, LONGEST_REST_S)
        if is_probe or is_open or self._failures >= self._most_failures:
            pause_s = max(pause_s, self._window_s)
        if pause_s:
            self._open_until_s = max(self._open_until_s or 0.0, now_s + pause_s)

    def left(self, one: "Pass", now_s: float) -> None:
        """A call was given up by its caller: nothing is known. The try for all is over, for this window."""
        if one is self._probe:
            self._probe = None
            self._open_until_s = now_s + self._window_s


class Pass:
    """One call's leave, and what became of it."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def answered(self) -> None:
        """It has something to show."""
        self._breaker.answered(self)

    def succeeded(self) -> None:
        """It has done what it should."""
        self._breaker.succeeded()

    def failed(self, now_s: float, rest_s: float | None) -> None:
        """It has failed, and the provider is to blame."""
        self._breaker.failed(self, now_s, rest_s)

    def left(self, now_s: float) -> None:
        """Its caller has gone."""
        self._breaker.left(self, now_s)
