"""The telephone's companding, ITU-T G.711: one byte a sample, by table."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode_alaw", "decode_mulaw", "encode_mulaw"]

_MULAW_BIAS = 132  # 33 in the 14-bit scale of the standard, four times that in 16 bits
_MULAW_CLIP = 32635


def _mulaw_to_linear() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = (((mantissa << 3) + _MULAW_BIAS) << exponent) - _MULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_to_linear() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(
        exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0)
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


def _linear_to_mulaw() -> NDArray[np.uint8]:
    """Indexed by a sample's 16 bits read as unsigned."""
    linear = np.arange(65536, dtype=np.uint16).astype("<i2").astype(np.int32)
    biased = np.minimum(np.abs(linear), _MULAW_CLIP) + _MULAW_BIAS
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 7
    mantissa = biased >> (exponent + 3) & 15
    sign = np.where(linear < 0, 0x80, 0)
    codes: NDArray[np.int32] = ~(sign | exponent << 4 | mantissa) & 0xFF
    return codes.astype(np.uint8)


_FROM_MULAW, _FROM_ALAW, _TO_MULAW = _mulaw_to_linear(), _alaw_to_linear(), _linear_to_mulaw()


def decode_mulaw(data: bytes) -> bytes:
    """mu-law to PCM16."""
    return bytes(_FROM_MULAW[np.frombuffer(data, np.uint8)])


def decode_alaw(data: bytes) -> bytes:
    """A-law to PCM16."""
    return bytes(_FROM_ALAW[np.frombuffer(data, np.uint8)])


def encode_mulaw(pcm: bytes) -> bytes:
    """PCM16 to mu-law."""
    return bytes(_TO_MULAW[np.frombuffer(pcm, "<u2")])
