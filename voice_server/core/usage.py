"""What was used of a provider, and who counts it."""

from dataclasses import dataclass
from typing import Literal, Protocol

from voice_server.core.caller import Caller
from voice_server.errors import LimitError

Kind = Literal["api", "stt", "llm", "tts", "embeddings"]


@dataclass(frozen=True, slots=True)
class Use:
    """One call of a provider, thrown-away work included; of the kind `api`, one REST request.

    `audio_ms` is what was transcribed or spoken, `characters` what was spoken.
    """

    kind: Kind
    provider: str
    model: str = ""
    audio_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with what it may use: a refusal, or a warning that one is near."""

    refusal: LimitError | None = None
    warning: LimitError | None = None


class UsageMeter(Protocol):
    """Counts what callers use and what it costs."""

    def record(self, caller: Caller, use: Use) -> float:
        """Count it; gives what it cost, in USD. Never blocks."""
        ...

    async def standing(self, caller: Caller, *, voice: bool = False) -> Standing:
        """Whether the caller may go on; with `voice`, minutes of audio count too. Never raises."""
        ...


class Unmetered:
    """Counts nothing."""

    def record(self, caller: Caller, use: Use) -> float:
        return 0.0

    async def standing(self, caller: Caller, *, voice: bool = False) -> Standing:
        return Standing()


def estimated_tokens(characters: int) -> int:
    """A guess for a provider that does not count, or was stopped before it did."""
    return -(-characters // 4)
