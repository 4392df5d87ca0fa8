"""From one rate to another: live, a piece at a time, or a whole clip at once."""

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from voice_server.audio.format import BYTES_PER_SAMPLE
from voice_server.errors import AudioError

__all__ = ["Resampler", "frame_of", "pcm_of", "resample_clip"]


def frame_of(pcm: bytes, rate_hz: int, sample_format: str = "s16") -> AudioFrame:
    """Wrap mono PCM16, not empty, for PyAV. `s16p` is the same bytes: with one channel there is one plane."""
    frame = av.AudioFrame(sample_format, "mono", len(pcm) // BYTES_PER_SAMPLE)
    frame.planes[0].update(pcm)
    frame.sample_rate = rate_hz
    return frame


def pcm_of(frames: list[AudioFrame]) -> bytes:
    """Join PyAV's mono `s16` frames; a plane may be longer than its samples."""
    return b"".join([bytes(frame.planes[0])[: frame.samples * BYTES_PER_SAMPLE] for frame in frames])


class Resampler:
    """A live stream of mono PCM16 from `from_hz` to `to_hz`, 1 to 2 ms behind its input.

    With equal rates the bytes go through untouched.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._resampler: AudioResampler | None = None

    def push(self, pcm: bytes) -> bytes:
        """Resample the next piece, of any length.

        Raises:
            AudioError: `odd_length`, half a sample at the end; nothing was consumed.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise AudioError(
                f"{len(pcm)} bytes are no whole number of 16-bit samples; send an even number of bytes.",
                code="odd_length",
            )
        if self._from_hz == self._to_hz or not pcm:
            return pcm
        if self._resampler is None:
            self._resampler = AudioResampler("s16", "mono", self._to_hz)
        return pcm_of(self._resampler.resample(frame_of(pcm, self._from_hz)))

    def flush(self) -> bytes:
        """Give the last milliseconds that `push` still held; what is pushed next is a new stream."""
        if self._resampler is None:
            return b""
        resampler, self._resampler = self._resampler, None
        return pcm_of(resampler.resample(None))


def resample_clip(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Resample a whole clip of mono PCM16 at the best quality."""
    if from_hz == to_hz or not pcm:
        return pcm
    resampled = np.asarray(soxr.resample(np.frombuffer(pcm, "<i2"), from_hz, to_hz), "<i2")
    return resampled.tobytes()
