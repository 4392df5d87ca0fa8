"""Speech that spells itself: 16 kHz PCM in which every character is a tone of its own loudness.

To the voice detector it is loud, to the scripted recogniser it is text: what was lost or doubled on the way
shows in the transcript.
"""

import numpy as np
from numpy.typing import NDArray

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms

CHARACTER_MS = 40
_CHARACTER_SAMPLES = STT_RATE_HZ * CHARACTER_MS // 1000
_GAP_SAMPLES = 40
_HALF_WAVE_SAMPLES = 20
_LOUDNESS, _STEP = 4_000, 100
_FEWEST_SAMPLES = 320  # of a character that was cut
_COUGH = 3_050  # loud, but no character


def speak(text: str) -> bytes:
    """`text`, printable ASCII, at 40 ms a character."""
    return b"".join(_tone(_LOUDNESS + _STEP * ord(character), _CHARACTER_SAMPLES) for character in text)


def cough(duration_ms: float) -> bytes:
    """Loud, but no words."""
    return _tone(_COUGH, int(duration_ms * STT_RATE_HZ / 1000))


def quiet(duration_ms: float) -> bytes:
    """Silence."""
    return bytes(bytes_of_ms(duration_ms, STT_RATE_HZ))


def spelled(pcm: bytes) -> str:
    """What was spoken in this audio."""
    loudness = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loudness > 0, [0]))))
    characters = [_character(loudness[start:end]) for start, end in edges.reshape(-1, 2)]
    return "".join(characters).strip()


def _character(loudness: NDArray[np.int32]) -> str:
    code, rest = divmod(int(loudness[0]) - _LOUDNESS, _STEP)
    is_text = loudness.size >= _FEWEST_SAMPLES and rest == 0 and 32 <= code < 127
    return chr(code) if is_text else ""


def _tone(loudness: int, samples: int) -> bytes:
    waves = np.where(np.arange(samples) // _HALF_WAVE_SAMPLES % 2, -loudness, loudness)
    waves[-_GAP_SAMPLES:] = 0
    return waves.astype("<i2").tobytes()
