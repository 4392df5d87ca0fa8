"""What the vendors' fakes have in common: what they are told to answer, and what they saw.

A fake is an asynchronous context manager that is a server on 127.0.0.1 while it is open. It reads its script
anew for every call, so a fault may be set and taken away while it runs.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from voice_server.providers.base import ToolUse

RETRY_AFTER_S = 7
PATIENCE_S = 20.0
"""How long a test waits for what must happen; only a failure takes so long."""


class Fault(StrEnum):
    """What may go wrong on the vendor's side. `REFUSED` needs no fake: nobody listens at the address."""

    REFUSED = "refused"
    REJECTED_KEY = "rejected_key"  # 401
    RATE_LIMITED = "rate_limited"  # 429, with Retry-After where the wire has it
    BROKEN = "broken"  # 500
    GARBAGE = "garbage"  # an answer that is none
    DROP = "drop"  # the connection breaks after the first piece of the answer
    HANG = "hang"  # the call is taken, and nothing is ever said
    STALL = "stall"  # the first piece of the answer comes, and nothing after it


STATUS = {Fault.REJECTED_KEY: 401, Fault.RATE_LIMITED: 429, Fault.BROKEN: 500}
"""The faults that are told by an HTTP status."""


@dataclass(slots=True)
class Script:
    """What a fake answers, whatever the role. Change it while the fake runs.

    `words` are the pieces of a model's reply; joined they are also what was heard, growing by a piece a
    partial. `tool_uses` follow a model's words. `tone_bytes_per_character`: how long the sound of a text is;
    the sound itself is `sound_of`. `language`: what the speech is found to be in, where the wire can say so.
    """

    words: tuple[str, ...] = ("It is ", "almost ", "noon.")
    tool_uses: tuple[ToolUse, ...] = ()
    prompt_tokens: int = 11
    completion_tokens: int = 5
    language: str | None = None
    tone_bytes_per_character: int = 480
    fault: Fault | None = None

    @property
    def text(self) -> str:
        """The words, joined."""
        return "".join(self.words)

    def sound_of(self, text: str) -> bytes:
        """What `text` sounds like: PCM16 that differs from text to text, never an odd number of bytes."""
        pattern = b"".join(code.to_bytes(2, "little") for code in (ord(one) % 30_000 for one in text))
        times = self.tone_bytes_per_character // 2
        return pattern * times


@dataclass(frozen=True, slots=True)
class Call:
    """One request (or socket, or gRPC call) as the fake understood it.

    `language`: as it was written on the wire. `text`: what is to be spoken. `raw`: the rest, in the vendor's
    own words.
    """

    key: str | None = None
    model: str | None = None
    language: str | None = None
    text: str = ""
    voice: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


class Seen:
    """What a fake saw, to be awaited rather than polled."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.heard_bytes = 0  # of PCM, as it came over the wire
        self.under_way = 0
        self.abandoned = 0  # calls the other side left before the answer was complete
        self.ended_s = 0.0  # when the last call was over, by `time.perf_counter`
        self._change = asyncio.Event()

    def begin(self, call: Call) -> None:
        """A call has come."""
        self.calls.append(call)
        self.under_way += 1
        self._tell()

    def end(self, *, abandoned: bool = False) -> None:
        """A call is over."""
        self.under_way -= 1
        self.ended_s = time.perf_counter()
        self.abandoned += abandoned
        self._tell()

    def hear(self, pcm_bytes: int) -> None:
        """Audio has come."""
        self.heard_bytes += pcm_bytes
        self._tell()

    async def until(self, condition: Callable[[Self], bool]) -> None:
        """Wait until it holds.

        Raises:
            TimeoutError: it does not become true.
        """
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._change.clear()
                await self._change.wait()

    def _tell(self) -> None:
        self._change.set()


class Fake(Protocol):
    """A vendor's server while it is open."""

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        ...

    @property
    def seen(self) -> Seen: ...
