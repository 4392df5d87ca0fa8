"""The names of what audio looks like on the wire, and of what it looks like inside.

Inside there is one kind: `pcm`, signed 16-bit little-endian mono `bytes`, beside its rate in Hz.
"""

from dataclasses import dataclass
from enum import StrEnum

BYTES_PER_SAMPLE = 2
STT_RATE_HZ = 16_000
"""The rate at which the ears listen: VAD, end-of-turn model and speech-to-text all take it."""


class InputEncoding(StrEnum):
    """How a client's live stream is encoded."""

    PCM16 = "pcm16"
    MULAW = "mulaw"
    ALAW = "alaw"
    OPUS = "opus"  # raw packets, one a frame
    WEBM = "webm"  # a MediaRecorder stream
    OGG = "ogg"  # a MediaRecorder stream


class OutputEncoding(StrEnum):
    """How reply audio is encoded; the chunks of one reply, joined, are one playable file."""

    WAV = "wav"
    PCM16 = "pcm16"
    MP3 = "mp3"
    OPUS = "opus"
    MULAW = "mulaw"


@dataclass(frozen=True, slots=True)
class InputFormat:
    """A client's live stream. `channels` are mixed down to one."""

    encoding: InputEncoding = InputEncoding.PCM16
    rate_hz: int = 16_000
    channels: int = 1


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """Reply audio, always mono."""

    encoding: OutputEncoding = OutputEncoding.WAV
    rate_hz: int = 24_000


def duration_ms(pcm_bytes: int, rate_hz: int) -> float:
    """How long `pcm_bytes` of mono PCM16 last."""
    return pcm_bytes * 1000 / (BYTES_PER_SAMPLE * rate_hz)


def bytes_of_ms(milliseconds: float, rate_hz: int) -> int:
    """How many bytes of mono PCM16 last `milliseconds`, rounded down to a whole sample."""
    return int(milliseconds * rate_hz / 1000) * BYTES_PER_SAMPLE
