"""Whether a speaker who paused is done: the smart-turn model and the log-mel features it takes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ
from voice_server.audio.onnx import open_model

__all__ = ["LISTENED_S", "SmartTurn", "log_mel_features"]

LISTENED_S = 8
"""How much the model hears: the last eight seconds, with silence before a shorter utterance."""

_MEL_BANDS = 80
_FFT_SAMPLES = 400  # 25 ms
_HOP_SAMPLES = 160  # 10 ms
_SAMPLES = LISTENED_S * STT_RATE_HZ
_FRAMES_AT_ONCE = 16
"""So small a product that BLAS computes it alone: its helper threads would go on spinning for a while after
it, on the cores that the model needs next (25 ms became 60)."""
_DYNAMIC_RANGE_LOG10 = 8.0  # quieter than 80 dB below the loudest counts as 80 dB below

_LINEAR_UP_TO_HZ = 1000.0
_MEL_PER_HZ = 3 / 200
_LINEAR_UP_TO_MEL = _LINEAR_UP_TO_HZ * _MEL_PER_HZ
_LOG_STEP = np.log(6.4) / 27  # Slaney's scale: 27 steps from 1 kHz to 6.4 kHz


def _mel_of(hz: float) -> float:
    if hz < _LINEAR_UP_TO_HZ:
        return hz * _MEL_PER_HZ
    return float(_LINEAR_UP_TO_MEL + np.log(hz / _LINEAR_UP_TO_HZ) / _LOG_STEP)


def _mel_filters() -> NDArray[np.float32]:
    """[80, 201]: overlapping triangles of equal area, even on the mel scale, over the transform's bins."""
    mels = np.linspace(_mel_of(0), _mel_of(STT_RATE_HZ / 2), _MEL_BANDS + 2)
    corners_hz = np.where(
        mels < _LINEAR_UP_TO_MEL,
        mels / _MEL_PER_HZ,
        _LINEAR_UP_TO_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_UP_TO_MEL)),
    )
    bins_hz = np.linspace(0, STT_RATE_HZ / 2, _FFT_SAMPLES // 2 + 1)
    left, centre, right = (corners_hz[i : i + _MEL_BANDS, np.newaxis] for i in range(3))
    rising = (bins_hz - left) / (centre - left)
    falling = (right - bins_hz) / (right - centre)
    filters: NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    return filters.astype(np.float32)


_FILTERS = _mel_filters()
_HANN = np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)


def log_mel_features(pcm: bytes) -> NDArray[np.float32]:
    """Whisper's features, [80, 800], of the last eight seconds of PCM16 mono at 16 kHz."""
    samples = np.frombuffer(pcm, "<i2")[-_SAMPLES:].astype(np.float32) / 32768
    samples = np.pad(samples, (_SAMPLES - samples.size, 0))
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    padded = np.pad(samples, _FFT_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[:_SAMPLES:_HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * _HANN, axis=1)) ** 2
    bands = (power.reshape(-1, _FRAMES_AT_ONCE, power.shape[1]) @ _FILTERS.T).reshape(-1, _MEL_BANDS).T
    loudness = np.log10(np.maximum(bands, 1e-10))
    loudness = np.maximum(loudness, loudness.max() - _DYNAMIC_RANGE_LOG10)
    features: NDArray[np.float32] = ((loudness + 4) / 4).astype(np.float32)
    return features


class SmartTurn:
    """smart-turn v3, the plain ONNX file. One object serves every session, from any thread."""

    def __init__(self, model_path: Path) -> None:
        """Load the model.

        Raises:
            ModelFileError: the file is missing or damaged.
        """
        self._session = open_model(model_path)

    def close(self) -> None:
        """Free the model, whoever still holds this object."""
        del self._session

    def probability(self, pcm: bytes) -> float:
        """How likely it is, 0 to 1, that what was said is complete. PCM16 mono at 16 kHz; about 25 ms.

        Only the last eight seconds are heard. Let it end with the pause (some 0.2 s), as the model learnt it.
        It errs often: use it to shorten or lengthen a wait, never as the only reason.
        """
        whole_bytes = len(pcm) - len(pcm) % BYTES_PER_SAMPLE
        features = log_mel_features(pcm[:whole_bytes])
        (probability,) = self._session.run(None, {"input_features": features[np.newaxis]})
        return float(probability.ravel()[0])
