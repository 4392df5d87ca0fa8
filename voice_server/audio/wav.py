"""WAV files of mono PCM16, and the header that begins a WAV stream."""

import io
import struct
import wave
from pathlib import Path

import numpy as np

from voice_server.audio.format import BYTES_PER_SAMPLE
from voice_server.errors import AudioError

__all__ = ["UNKNOWN_LENGTH", "plain_wav", "read_wav", "wav_header", "write_wav"]

UNKNOWN_LENGTH = 0xFFFFFFFF
"""Both sizes of a stream's header. With 0 some readers see no samples."""

_HEADER_BYTES = 44
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_FMT_LIMIT_BYTES = 256


def wav_header(rate_hz: int, pcm_bytes: int | None = None) -> bytes:
    """The 44 bytes before mono PCM16; `pcm_bytes` is None while the length is not known yet."""
    riff_bytes = UNKNOWN_LENGTH if pcm_bytes is None else pcm_bytes + _HEADER_BYTES - 8
    data_bytes = UNKNOWN_LENGTH if pcm_bytes is None else pcm_bytes
    return (
        struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
        + struct.pack(
            "<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * BYTES_PER_SAMPLE, BYTES_PER_SAMPLE, 16
        )
        + struct.pack("<4sI", b"data", data_bytes)
    )


def write_wav(path: Path, pcm: bytes, rate_hz: int) -> None:
    """Write mono PCM16 as a WAV file."""
    path.write_bytes(wav_header(rate_hz, len(pcm)) + pcm)


def plain_wav(data: bytes) -> bytes:
    """The same WAV with nothing but its `fmt ` and `data` chunks, and sizes that are true.

    What a stranger's header says of sizes is believed up to where the bytes end, and no other chunk
    reaches a decoder: a tag of two gigabytes in a file of a hundred bytes costs two gigabytes there.

    Raises:
        AudioError: it has no sound, or a header that cannot be.
    """
    fmt: bytes | None = None
    position = 12
    while position + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, position)
        position += _CHUNK.size
        if name == b"data" and fmt is not None:
            end = len(data) if size == 0 else min(len(data), position + size)
            body = data[position:end]
            riff_bytes = min(UNKNOWN_LENGTH, 4 + 2 * _CHUNK.size + len(fmt) + len(body))
            return b"".join(
                [
                    _CHUNK.pack(b"RIFF", riff_bytes) + b"WAVE",
                    _CHUNK.pack(b"fmt ", len(fmt)) + fmt,
                    _CHUNK.pack(b"data", len(body)) + body,
                ]
            )
        if name == b"fmt " and _FMT.size <= size <= _FMT_LIMIT_BYTES:
            fmt = data[position : position + size]
        position += size + size % 2
    raise AudioError("The WAV file ends before its sound begins; send the whole file.")


def read_wav(source: Path | bytes) -> tuple[bytes, int]:
    """Read a 16-bit PCM WAV, stereo mixed down: its PCM and its rate in Hz.

    Raises:
        AudioError: not a WAV, or one that only `clip.decode_clip` can read.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        with wave.open(io.BytesIO(data)) as reader:
            channels, width_bytes, rate_hz = (
                reader.getnchannels(),
                reader.getsampwidth(),
                reader.getframerate(),
            )
            pcm = reader.readframes(reader.getnframes())
    except (wave.Error, EOFError) as error:
        raise AudioError(f"This is not a PCM WAV file ({error}); other files need decode_clip.") from error
    if width_bytes != BYTES_PER_SAMPLE:
        raise AudioError(f"This WAV has {8 * width_bytes}-bit samples, not 16; such files need decode_clip.")
    pcm = pcm[: len(pcm) - len(pcm) % (BYTES_PER_SAMPLE * channels)]
    if channels > 1:
        pcm = np.frombuffer(pcm, "<i2").reshape(-1, channels).mean(axis=1).astype("<i2").tobytes()
    return pcm, rate_hz
