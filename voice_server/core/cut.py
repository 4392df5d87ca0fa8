"""A reply that was cut, and what is remembered of it; for a moment the client may know better."""

from dataclasses import dataclass, replace

from voice_server.clock import Instant
from voice_server.core.history import Message
from voice_server.core.reply import Reply

CORRECTION_MS = 1_000.0
"""How long after a cut the client may still say how much had been heard."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`message` holds what was heard of `reply` in its first `heard_ms`."""

    reply: Reply
    at: Instant
    heard_ms: float
    message: Message

    def corrected(self, played_ms: float, now: Instant) -> "Cut | None":
        """With what the client says it has played; None if that comes too late or changes nothing."""
        if now - self.at > CORRECTION_MS or not self.reply.options.wants_audio:
            return None
        heard_ms = min(max(played_ms, 0.0), self.reply.playout.sent_ms)
        message = replace(self.message, text=self.reply.spoken_text(heard_ms))
        return replace(self, heard_ms=heard_ms, message=message) if message != self.message else None
