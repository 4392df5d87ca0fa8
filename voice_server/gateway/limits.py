"""The numbers of the gateway; `app` fills them from the settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Bounds of connections."""

    handshake_s: float = 10
    init_s: float = 5
    connections_per_address: int = 256
    connections: int = 1_000
    control_frames_per_s: float = 20
    control_burst: int = 40
    slow_reader_s: float = 10
    message_bytes: int = 16 << 20
    unauthenticated_bytes: int = 320 << 10
    ping_s: float = 20
    dead_after_s: float = 40
    protocol_errors: int = 10
    protocol_errors_s: float = 10


class Allowance:
    """A token bucket: `rate_per_s` in the long run, `burst` at once."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._left = float(burst)
        self._at_ms: float | None = None

    def take(self, now_ms: float) -> bool:
        """Whether one more is allowed."""
        if self._at_ms is not None:
            earned = (now_ms - self._at_ms) * self._rate_per_s / 1000
            self._left = min(float(self._burst), self._left + earned)
        self._at_ms = now_ms
        if self._left < 1:
            return False
        self._left -= 1
        return True
