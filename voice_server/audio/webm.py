"""Opus out of WebM as it arrives: the few elements of Matroska that a recorder's stream is made of.

Master elements are walked into rather than bounded (a live segment and its clusters have no known size),
the elements we read are taken whole, and everything else is skipped without being kept.
"""

import re
from collections.abc import Iterator

from voice_server.audio.opus import OpusHead
from voice_server.errors import AudioError

__all__ = ["WebmOpusReader"]

_EBML, _SEGMENT, _CLUSTER, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B
_TRACK_ENTRY, _TRACK_NUMBER, _TRACK_TYPE, _CODEC_ID, _CODEC_PRIVATE = 0xAE, 0xD7, 0x83, 0x86, 0x63A2
_BLOCK_GROUP, _BLOCK, _SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3

_MASTERS = frozenset({_SEGMENT, _CLUSTER, _BLOCK_GROUP, _TRACKS})
_READ_WHOLE = frozenset({_TRACK_ENTRY, _SIMPLE_BLOCK, _BLOCK})
_KIB = 1024
_LIMITS_BYTES = {  # an element of another name or of a greater size is damage
    _EBML: _KIB,
    _TRACK_ENTRY: 64 * _KIB,
    _SIMPLE_BLOCK: 1024 * _KIB,  # a picture may stand beside the sound
    _BLOCK: 1024 * _KIB,
    0x114D9B74: 64 * _KIB,  # seek head
    0x1549A966: 64 * _KIB,  # info
    0x1254C367: 1024 * _KIB,  # tags
    0x1C53BB6B: 1024 * _KIB,  # cues
    0x1043A770: 64 * _KIB,  # chapters
    0x1941A469: 16 * 1024 * _KIB,  # attachments
    0xEC: 64 * _KIB,  # void
    0xBF: 4,  # checksum
    0xE7: 8,  # of a cluster: time, position, size of the one before
    0xA7: 8,
    0xAB: 8,
    0x9B: 8,  # of a block: duration, reference, padding to discard, additions, codec state
    0xFB: 8,
    0x75A2: 8,
    0x75A1: 64 * _KIB,
    0xA4: 64 * _KIB,
}
_RESTART = re.compile(b"|".join(re.escape(one.to_bytes(4, "big")) for one in (_EBML, _CLUSTER)))
_AUDIO_TRACK = 2
_LACING_BITS = 0x06
_UNKNOWN_SIZE = -1


class _Damaged(AudioError):
    """What should be an element is none."""

    def __init__(self) -> None:
        super().__init__(
            "The WebM stream is damaged;"
            " send the recorder's output unchanged, in order, from its first byte on."
        )


def _vint(data: bytes | bytearray, position: int, *, keep_marker: bool) -> tuple[int, int] | None:
    """EBML's number of variable length at `position`, and where it ends; None while it is not whole.

    An id keeps its length marker, a size does not; a size of all ones is unknown.
    """
    if position >= len(data):
        return None
    length = 9 - data[position].bit_length()
    if length > (4 if keep_marker else 8):
        raise _Damaged
    end = position + length
    if len(data) < end:
        return None
    value = int.from_bytes(data[position:end], "big")
    if not keep_marker:
        value ^= 1 << (7 * length)
        if value == (1 << (7 * length)) - 1:
            value = _UNKNOWN_SIZE
    return value, end


def _element_at(data: bytes | bytearray, position: int) -> tuple[int, int, int] | None:
    """The id, the size and the beginning of the content of the element at `position`."""
    if (identity := _vint(data, position, keep_marker=True)) is None:
        return None
    if (size := _vint(data, identity[1], keep_marker=False)) is None:
        return None
    return identity[0], size[0], size[1]


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while (element := _element_at(data, position)) is not None:
        identity, size, start = element
        if size == _UNKNOWN_SIZE or start + size > len(data):
            raise _Damaged
        yield identity, data[start : start + size]
        position = start + size


class WebmOpusReader:
    """Opus packets out of a WebM stream that arrives in pieces of any size.

    Damage is skipped up to the next cluster. A stream that begins anew is followed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip_bytes = 0
        self._track: int | None = None
        self._why_nothing = (
            "The WebM stream began without its header, or holds no sound:"
            " send the recorder's output from its first byte on."
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
                if (element := self._next_element()) is None:
                    break
                if (item := self._read(*element)) is not None:
                    found.append(item)
            except AudioError as error:
                problem = problem or error
        if problem is not None and not found:
            raise problem
        return found

    def _next_element(self) -> tuple[int, bytes] | None:
        try:
            return self._take_element()
        except _Damaged:
            self._resynchronise()
            raise

    def _take_element(self) -> tuple[int, bytes] | None:
        """Take the next element that matters off the buffer; None until it is whole."""
        buffer = self._buffer
        while True:
            skipped = min(self._skip_bytes, len(buffer))
            self._skip_bytes -= skipped
            del buffer[:skipped]
            if (element := _element_at(buffer, 0)) is None:
                return None
            identity, size, start = element
            if identity in _MASTERS:
                del buffer[:start]
            elif size == _UNKNOWN_SIZE or size > _LIMITS_BYTES.get(identity, -1):
                raise _Damaged
            elif identity not in _READ_WHOLE:
                self._skip_bytes = start + size
            elif len(buffer) < start + size:
                return None
            else:
                content = bytes(buffer[start : start + size])
                del buffer[: start + size]
                return identity, content

    def _resynchronise(self) -> None:
        """Drop at least a byte, and what comes before the next place where one can begin to read."""
        # In one search for both: one of them may be everywhere, and the other nowhere.
        found = _RESTART.search(self._buffer, 1)
        end = found.start() if found is not None else max(1, len(self._buffer) - 3)
        del found, self._buffer[:end]  # a match holds on to what it was found in

    def _read(self, identity: int, content: bytes) -> OpusHead | bytes | None:
        if identity == _TRACK_ENTRY:
            return self._read_track(content)
        if (track := _vint(content, 0, keep_marker=False)) is None or len(content) < track[1] + 3:
            raise _Damaged
        if self._track is None:
            raise AudioError(self._why_nothing)
        if track[0] != self._track:
            return None
        if content[track[1] + 2] & _LACING_BITS:
            raise AudioError(
                "The WebM stream packs several packets in one block (lacing); send it as a whole clip."
            )
        return content[track[1] + 3 :]

    def _read_track(self, content: bytes) -> OpusHead | None:
        fields = dict(_children(content))
        if int.from_bytes(fields.get(_TRACK_TYPE, b""), "big") != _AUDIO_TRACK:
            return None
        codec = fields.get(_CODEC_ID, b"").decode("ascii", "replace")
        if codec != "A_OPUS":
            self._why_nothing = (
                f"The WebM stream holds {codec}, not Opus;"
                " record with the type 'audio/webm;codecs=opus', or send a whole clip."
            )
            raise AudioError(self._why_nothing)
        head = OpusHead.parse(fields.get(_CODEC_PRIVATE, b""))
        self._track = int.from_bytes(fields.get(_TRACK_NUMBER, b""), "big")
        return head
