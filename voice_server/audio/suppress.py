"""Takes noise out of a live stream: RNNoise, from the wheel of `pyrnnoise`.

The library is opened by itself: the package around it wants plotting and audio tools that nobody here needs.
"""

import ctypes
import importlib.util
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ
from voice_server.audio.resample import Resampler
from voice_server.errors import ConfigurationError

__all__ = ["NoiseSuppressor", "RnNoise", "open_rnnoise"]

_RATE_HZ = 48_000
_FRAME_SAMPLES = 480  # 10 ms
_FRAME_BYTES = _FRAME_SAMPLES * BYTES_PER_SAMPLE
_LIBRARIES = ("librnnoise.so", "librnnoise.dylib", "rnnoise.dll")
_Floats = ctypes.POINTER(ctypes.c_float)


class NoiseSuppressor(Protocol):
    """One stream of PCM16 mono at 16 kHz."""

    def push(self, pcm: bytes) -> bytes:
        """The next piece without its noise; some 15 ms are held back, so it may be shorter or empty."""
        ...

    def flush(self) -> bytes:
        """What was held back; the stream is over."""
        ...


def open_rnnoise() -> Callable[[], NoiseSuppressor]:
    """Load the library; gives what makes a suppressor for each stream.

    Raises:
        ConfigurationError: it is not installed.
    """
    found = importlib.util.find_spec("pyrnnoise")  # finds, does not import
    folders = [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
    paths = [folder / name for folder in folders for name in _LIBRARIES if (folder / name).exists()]
    if not paths:
        raise ConfigurationError(
            "Noise suppression needs a package that is not installed: pip install 'voice-server[noise]'."
        )
    try:
        library = ctypes.CDLL(str(paths[0]))
    except OSError as error:
        raise ConfigurationError(f"The noise suppressor {paths[0].name} does not load: {error}.") from error
    library.rnnoise_create.argtypes, library.rnnoise_create.restype = [ctypes.c_void_p], ctypes.c_void_p
    library.rnnoise_destroy.argtypes, library.rnnoise_destroy.restype = [ctypes.c_void_p], None
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, _Floats, _Floats]
    library.rnnoise_process_frame.restype = ctypes.c_float
    return lambda: RnNoise(library)


class RnNoise:
    """A `NoiseSuppressor`. The model works at 48 kHz, in frames of 10 ms."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._state = ctypes.c_void_p(library.rnnoise_create(None))
        weakref.finalize(self, library.rnnoise_destroy, self._state)
        self._up, self._down = Resampler(STT_RATE_HZ, _RATE_HZ), Resampler(_RATE_HZ, STT_RATE_HZ)
        self._pending = bytearray()

    def push(self, pcm: bytes) -> bytes:
        """See `NoiseSuppressor.push`."""
        self._pending += self._up.push(pcm)
        whole_bytes = len(self._pending) - len(self._pending) % _FRAME_BYTES
        return self._down.push(self._clean(whole_bytes))

    def flush(self) -> bytes:
        """See `NoiseSuppressor.flush`."""
        self._pending += self._up.flush()
        self._pending += bytes(-len(self._pending) % _FRAME_BYTES)
        return self._down.push(self._clean(len(self._pending))) + self._down.flush()

    def _clean(self, whole_bytes: int) -> bytes:
        frames = np.frombuffer(bytes(self._pending[:whole_bytes]), "<i2").astype(np.float32)
        del self._pending[:whole_bytes]
        for frame in frames.reshape(-1, _FRAME_SAMPLES):
            samples = frame.ctypes.data_as(_Floats)
            self._library.rnnoise_process_frame(self._state, samples, samples)
        return np.clip(frames, -32768, 32767).astype("<i2").tobytes()
