"""The numbers a chain keeps to; `app` fills them from the settings."""

import random
from dataclasses import dataclass
from typing import Literal

from voice_server.errors import ProviderUnavailable, VoiceServerError

Role = Literal["stt", "llm", "tts"]


class NotCalledError(ProviderUnavailable):
    """The provider is left alone for now, or has no call to spare: to ask it again at once is no use."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long one provider may say nothing, counted from when it is warm."""

    stt_partial_ms: float = 3_000
    stt_final_ms: float = 10_000
    llm_first_token_ms: float = 20_000
    llm_gap_ms: float = 10_000
    tts_first_audio_ms: float = 10_000
    tts_gap_ms: float = 10_000


SWITCHING = Deadlines(
    stt_final_ms=2_000, llm_first_token_ms=2_000, tts_first_audio_ms=1_500, tts_gap_ms=1_500
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a chain deals with trouble.

    `switching` holds while another provider could take over, `last` for one behind which nobody stands.
    `hedge_ms`: a model that has said nothing for so long is raced by the next one; None is off.
    """

    last: Deadlines = Deadlines()
    switching: Deadlines = SWITCHING
    retries: int = 1
    retry_wait_ms: float = 200
    breaker_failures: int = 3
    breaker_window_ms: float = 15_000
    busy_wait_ms: float = 300
    hedge_ms: float | None = None

    def pause_s(self, error: VoiceServerError, attempt: int, left_s: float) -> float | None:
        """How long to wait before the same provider is asked again; None: ask it no more.

        `attempt` counts the calls that failed before this one, `left_s` is what the deadline leaves.
        """
        if not error.retryable or isinstance(error, NotCalledError) or attempt >= self.retries:
            return None
        wished_s: float | None = getattr(error, "retry_after_s", None)
        if wished_s is None:
            wished_s = self.retry_wait_ms / 1000 * 2**attempt * random.uniform(0.5, 1.5)
        return wished_s if wished_s < left_s else None
