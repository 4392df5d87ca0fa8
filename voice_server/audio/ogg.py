"""Ogg pages (RFC 3533), Opus in them (RFC 7845): read as they arrive, and written one packet a page."""

import struct
import zlib
from dataclasses import dataclass
from enum import IntFlag

from voice_server.audio.opus import OpusHead
from voice_server.errors import AudioError

__all__ = ["OggOpusReader", "PageFlag", "ogg_page"]

_MAGIC = b"OggS\0"  # with the version: less would be found in more that is no page
_HEADER = struct.Struct("<5sBqIIIB")
_CRC_OFFSET = 22
_PACKET_LIMIT_BYTES = 64 * 1024
"""More than the longest Opus packet. Tags with a cover picture are longer: nobody needs their end."""

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class PageFlag(IntFlag):
    """Header flags of a page."""

    NONE = 0
    CONTINUED = 1
    FIRST = 2
    LAST = 4


def _crc(data: bytes | bytearray) -> int:
    """Ogg's CRC is zlib's with every bit mirrored, beginning with 0 and not inverted at the end."""
    mirrored = zlib.crc32(data.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED_BITS), "big")


def ogg_page(
    packet: bytes, *, serial: int, sequence: int, granule: int, flags: PageFlag = PageFlag.NONE
) -> bytes:
    """One page with one whole packet, of at most 65 024 bytes."""
    lacing = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    header = _HEADER.pack(_MAGIC, flags, granule, serial, sequence, 0, len(lacing))
    page = bytearray(header + lacing + packet)
    page[_CRC_OFFSET : _CRC_OFFSET + 4] = _crc(page).to_bytes(4, "little")
    return bytes(page)


@dataclass(frozen=True, slots=True)
class _Page:
    flags: PageFlag
    serial: int
    lacing: bytes
    body: bytes


class OggOpusReader:
    """Opus packets out of an Ogg stream that arrives in pieces of any size.

    Damage is skipped up to the next page. A stream that begins anew (`FIRST` again) is followed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._serial: int | None = None
        self._packet = bytearray()  # begun on an earlier page
        self._tags_seen = False
        self._why_nothing = (
            "The Ogg stream began without its header: send the recorder's output from its first byte on."
        )

    def push(self, data: bytes) -> list[OpusHead | bytes]:
        """Whole packets, each stream's head before them.

        Raises:
            AudioError: the bytes brought nothing but damage, or another codec. The reader lives on.
        """
        self._buffer += data
        found: list[OpusHead | bytes] = []
        problem: AudioError | None = None
        while True:
            try:
                page = self._next_page()
                if page is None:
                    break
                found += self._packets_of(page)
            except AudioError as error:
                problem = problem or error
        if problem is not None and not found:
            raise problem
        return found

    def _next_page(self) -> _Page | None:
        """Take a page off the buffer; None until it is whole."""
        buffer = self._buffer
        start = buffer.find(_MAGIC)
        if start != 0 and len(buffer) >= len(_MAGIC):
            del buffer[: start if start > 0 else len(buffer) - len(_MAGIC) + 1]
            raise AudioError(
                "The Ogg stream is damaged: bytes between its pages."
                " Send the recorder's output unchanged and in order."
            )
        if len(buffer) < _HEADER.size:
            return None
        _, flags, _, serial, _, crc, segments = _HEADER.unpack_from(buffer)
        body_start = _HEADER.size + segments
        if len(buffer) < body_start:
            return None
        lacing = bytes(buffer[_HEADER.size : body_start])
        end = body_start + sum(lacing)
        if len(buffer) < end:
            return None
        page = buffer[:end]
        page[_CRC_OFFSET : _CRC_OFFSET + 4] = bytes(4)
        if _crc(page) != crc:
            del buffer[: len(_MAGIC)]
            raise AudioError(
                "A page of the Ogg stream has a wrong checksum; send the recorder's output unchanged."
            )
        del buffer[:end]
        return _Page(PageFlag(flags & 7), serial, lacing, bytes(page[body_start:]))

    def _packets_of(self, page: _Page) -> list[OpusHead | bytes]:
        if PageFlag.FIRST in page.flags:
            return [self._begin(page)]
        if self._serial is None:
            raise AudioError(self._why_nothing)
        if page.serial != self._serial:
            return []
        beginning_lost = PageFlag.CONTINUED in page.flags and not self._packet
        if PageFlag.CONTINUED not in page.flags:
            self._packet.clear()
        packets: list[OpusHead | bytes] = []
        position = 0
        for length in page.lacing:
            if len(self._packet) < _PACKET_LIMIT_BYTES:
                self._packet += page.body[position : position + length]
            position += length
            if length == 255:
                continue
            if beginning_lost:
                beginning_lost = False
            elif self._tags_seen:
                packets.append(bytes(self._packet))
            else:
                self._tags_seen = True
            self._packet.clear()
        return packets

    def _begin(self, page: _Page) -> OpusHead:
        if not page.body.startswith(b"OpusHead"):
            self._why_nothing = (
                "The Ogg stream is not Opus; record with the type 'audio/ogg;codecs=opus',"
                " or send a whole clip."
            )
            raise AudioError(self._why_nothing)
        self._serial = page.serial
        self._tags_seen = False
        self._packet.clear()
        return OpusHead.parse(page.body)
