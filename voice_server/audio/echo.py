"""Whether a voice at the microphone is what the loudspeaker plays: by how the spectrum of both changes.

Levels in a few bands are taken every 20 ms. What is left of them without the mean of each moment and of each
band is what is said, apart from how loud it is and how room and loudspeaker colour it; and that correlates
with what was played a moment ago, or does not.
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voice_server.audio.format import BYTES_PER_SAMPLE, bytes_of_ms

__all__ = ["HEARD_MS", "BandLevels", "likeness"]

HEARD_MS = 500.0
"""So much of a voice is compared at most."""

_STEP_MS, _WINDOW_MS = 20, 40
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 12, 200.0, 3_800.0
_FLOOR = 1e-7  # power in a band, of full scale: quieter is silence
_KEPT_MS = 6_000  # what is sent ahead, and the longest delay and voice
_EARLIEST_MS, _LATEST_MS = -100.0, 800.0  # an echo comes so long after what is thought to be heard now
_FEWEST = 10  # moments that say something
_CHANCE = 1.8  # over the root of their number, at the best of all delays: so much is anybody's voice alike

Levels = NDArray[np.float32]
"""[moments, 12], decibels, one moment every 20 ms."""


class BandLevels:
    """The levels of the last six seconds of a stream of PCM16 mono."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._step_bytes = bytes_of_ms(_STEP_MS, rate_hz)
        self._window_bytes = bytes_of_ms(_WINDOW_MS, rate_hz)
        self._pending = bytearray()
        self._levels: Levels = np.empty((0, _BANDS), np.float32)
        self._dropped = 0

    def push(self, pcm: bytes) -> None:
        """More of the stream, of any length."""
        self._pending += pcm
        count = (len(self._pending) - self._window_bytes) // self._step_bytes + 1
        if count > 0:
            levels = np.concatenate([self._levels, _levels_of(bytes(self._pending), count, self._rate_hz)])
            del self._pending[: count * self._step_bytes]
            kept = levels[-(_KEPT_MS // _STEP_MS) :]
            self._dropped += len(levels) - len(kept)
            self._levels = kept.copy()

    def between(self, start_ms: float, end_ms: float) -> Levels:
        """From one position of the stream to another, as far as it is known."""
        start, end = (max(round(at_ms / _STEP_MS) - self._dropped, 0) for at_ms in (start_ms, end_ms))
        return self._levels[start:end]


def likeness(heard: bytes, rate_hz: int, played: BandLevels, now_ms: float) -> float | None:
    """How much a voice is like what was played before `now_ms`: 0 is chance, 1 the same; negative: less.

    None: too little was heard or played to say.
    """
    voice = BandLevels(rate_hz)
    voice.push(heard[-bytes_of_ms(HEARD_MS, rate_hz) :])
    levels = voice.between(0, HEARD_MS)
    count = len(levels)
    heard_ms = count * _STEP_MS
    reference = played.between(now_ms - heard_ms - _LATEST_MS, now_ms - _EARLIEST_MS)
    if count < _FEWEST or len(reference) < count:
        return None
    changes = _changes(levels[np.newaxis])
    others = _changes(np.lib.stride_tricks.sliding_window_view(reference, count, axis=0).swapaxes(1, 2))
    products = (changes * others).sum((1, 2))
    sizes = np.sqrt((changes**2).sum((1, 2)) * (others**2).sum((1, 2)))
    correlation, chance = float((products / np.maximum(sizes, 1e-6)).max()), _CHANCE / math.sqrt(count)
    return (correlation - chance) / (1 - chance)


def _changes(levels: Levels) -> Levels:
    """[B, moments, bands] without the means of moments and bands."""
    of_moments, of_bands = levels.mean(2, keepdims=True), levels.mean(1, keepdims=True)
    changes: Levels = levels - of_moments - of_bands + of_moments.mean(1, keepdims=True)
    return changes


def _levels_of(pcm: bytes, count: int, rate_hz: int) -> Levels:
    step, window, filters = _shape(rate_hz)
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::step][:count]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    levels: Levels = (10 * np.log10(power @ filters + _FLOOR)).astype(np.float32)
    return levels


@cache
def _shape(rate_hz: int) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Samples a step, the window, and [bins, bands]: evenly spaced in pitch, each at least one bin wide."""
    step, samples = (bytes_of_ms(ms, rate_hz) // BYTES_PER_SAMPLE for ms in (_STEP_MS, _WINDOW_MS))
    bins_hz = np.fft.rfftfreq(samples, 1 / rate_hz)
    edges_hz = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1)
    filters = [(bins_hz >= low) & (bins_hz < high) for low, high in zip(edges_hz, edges_hz[1:], strict=False)]
    window = np.hanning(samples).astype(np.float32)
    return (
        step,
        window,
        np.stack(filters, axis=1).astype(np.float32) / np.float32((window**2).sum() * samples),
    )
