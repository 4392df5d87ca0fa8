"""How loud PCM is."""

import math

import numpy as np

__all__ = ["FLOOR_DBFS", "level_dbfs"]

FLOOR_DBFS = -120.0
"""The level of digital silence and of no audio at all: finite, so that it can be logged and averaged."""

_FULL_SCALE = 32768.0


def level_dbfs(pcm: bytes) -> float:
    """Root-mean-square level of mono PCM16 in dB below full scale, from `FLOOR_DBFS` to 0.

    A full-scale square wave is 0, a full-scale sine -3.
    """
    if not pcm:
        return FLOOR_DBFS
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    power = float(np.square(samples).mean()) / _FULL_SCALE**2
    return max(FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else FLOOR_DBFS
