"""WebSocket frames as callers write and read them: masked once, to be sent again and again."""

import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_KEY = b"\x37\xfa\x21\x3d"


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole message of less than 64 KiB."""
    size = len(payload)
    mask = (_KEY * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    if size < 126:
        return bytes([0x80 | opcode, 0x80 | size]) + _KEY + masked
    return struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size) + _KEY + masked


def frame_at(data: bytearray, at: int) -> tuple[int, int, int] | None:
    """The opcode of the frame that begins here, and where its payload begins and ends, if it is whole."""
    if len(data) - at < 2:
        return None
    size, head = data[at + 1], 2
    if size == 126:
        size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
    elif size == 127:
        size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
    begin = at + head
    return (
        (data[at] & 15, begin, begin + size) if len(data) >= begin + size and len(data) - at >= head else None
    )
