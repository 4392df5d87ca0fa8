"""The one kind of WebSocket frame that comes in numbers (RFC 6455, section 5.2), read at a glance."""

from typing import NamedTuple

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # the one in C, where it is built

_WHOLE_BINARY = 0x82  # a message in one frame, no extension
_MASKED = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127  # instead of a length: it follows


class BinaryFrame(NamedTuple):
    """What a client sent, unmasked, and where in the data its frame ends."""

    payload: bytes
    end: int


def binary_frame(data: bytes, at: int) -> BinaryFrame | None:
    """The frame at `at`, if it is a whole binary message of less than 64 KiB and all there; else None."""
    if len(data) < at + 6 or data[at] != _WHOLE_BINARY or not data[at + 1] & _MASKED:
        return None
    length, begin = data[at + 1] & ~_MASKED, at + 6
    if length == _EIGHT_BYTES:
        return None
    if length == _TWO_BYTES:
        length, begin = int.from_bytes(data[at + 2 : at + 4]), at + 8
    end = begin + length
    if len(data) < end:
        return None
    return BinaryFrame(apply_mask(data[begin:end], data[begin - 4 : begin]), end)
