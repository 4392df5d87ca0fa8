"""What the caller is to be told, numbered and in order, kept for a while in case the connection drops.

One structure serves sending and resuming: the writer of a connection reads on from a number, a resumed
connection starts again at an older one.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from voice_server.clock import Clock, Instant
from voice_server.core.wire import AiResponse, AudioOut, AudioStart, Interrupted, MessageChunk, Output


@dataclass(frozen=True, slots=True)
class Numbered:
    """An output with its number within the session."""

    seq: int
    output: Output
    size_bytes: int
    at: Instant


class Outbox:
    """Bounded by age and size as far as it has been sent; what is unsent is kept for the writer.

    `unsent_limit_bytes` bounds that too: past it `is_overfull` is true and the connection has to go.
    """

    def __init__(
        self, clock: Clock, keep_bytes: int, keep_ms: float, unsent_limit_bytes: int = 32 << 20
    ) -> None:
        self._clock = clock
        self._keep_bytes, self._keep_ms = keep_bytes, keep_ms
        self._unsent_limit_bytes = unsent_limit_bytes
        self._kept: deque[Numbered] = deque()
        self._kept_bytes = 0
        self._sent_seq = 0
        self._last_seq = 0
        self._news = asyncio.Event()
        self.is_closed = False

    @property
    def last_seq(self) -> int:
        """The number of the newest output."""
        return self._last_seq

    @property
    def is_overfull(self) -> bool:
        """Whether far more waits than a caller can be behind."""
        return self._kept_bytes > self._keep_bytes + self._unsent_limit_bytes

    def put(self, output: Output) -> None:
        """Add an output."""
        self._last_seq += 1
        size_bytes = _size_bytes(output)
        self._kept.append(Numbered(self._last_seq, output, size_bytes, self._clock.now()))
        self._kept_bytes += size_bytes
        self._forget()
        self._news.set()

    def close(self) -> None:
        """Nothing more comes; readers end after what is left. Nobody resumes, so what was sent is let go."""
        self.is_closed = True
        self._forget()
        self._news.set()

    def holds_after(self, seq: int) -> bool:
        """Whether everything after `seq` is still here."""
        oldest = self._kept[0].seq if self._kept else self._last_seq + 1
        return oldest - 1 <= seq <= self._last_seq

    def rewind(self, seq: int) -> None:
        """The next reader begins after `seq`."""
        self._sent_seq = seq
        self._news.set()

    def after(self, seq: int) -> list[Output]:
        """The outputs after `seq`."""
        return [one.output for one in self._kept if one.seq > seq]

    async def take(self) -> list[Numbered]:
        """What has not been sent yet, at least one; empty once closed. Cancelling loses nothing."""
        while self._sent_seq >= self._last_seq:
            if self.is_closed:
                return []
            self._news.clear()
            await self._news.wait()
        unsent: list[Numbered] = []
        for one in reversed(self._kept):
            if one.seq <= self._sent_seq:
                break
            unsent.append(one)
        return unsent[::-1]

    def sent(self, seq: int) -> None:
        """Everything up to `seq` is on its way."""
        self._sent_seq = seq
        self._forget()

    def _forget(self) -> None:
        oldest = self._clock.now() - self._keep_ms
        while self._kept and self._kept[0].seq <= self._sent_seq:
            is_young = self._kept_bytes <= self._keep_bytes and self._kept[0].at >= oldest
            if is_young and not self.is_closed:
                break
            self._kept_bytes -= self._kept.popleft().size_bytes


def _size_bytes(output: Output) -> int:
    match output:
        case AudioOut(data=data):
            return 200 + len(data)
        case MessageChunk(chunk=text) | AiResponse(text=text) | Interrupted(heard_text=text):
            return 300 + len(text)
        case _:
            return 300


def audio_ms(outputs: list[Output]) -> float:
    """How much audio of the newest reply is among these, unless it was cut: nobody plays it then."""
    total_ms = 0.0
    for output in outputs:
        if isinstance(output, AudioStart | Interrupted):
            total_ms = 0.0
        elif isinstance(output, AudioOut):
            total_ms += output.duration_ms
    return total_ms
