"""A whole recording in whatever file it came, to what the ears take: PCM16 mono at 16 kHz.

Every function here may run in a worker thread: nothing is shared.
"""

import io
from collections.abc import Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ, InputEncoding, InputFormat
from voice_server.audio.incoming import open_decoder
from voice_server.audio.resample import pcm_of
from voice_server.audio.wav import plain_wav
from voice_server.errors import AudioError, LimitError

__all__ = ["SILENCE_DBFS", "decode_clip", "is_silent"]

SILENCE_DBFS = -70.0
_BLOCK_SAMPLES = STT_RATE_HZ // 50  # 20 ms

_CONTAINERS = "WAV, WebM, Ogg, MP3, M4A or FLAC"
_MIN_RATE_HZ, _MAX_RATE_HZ = 4_000, 192_000
_MAX_CHANNELS = 8
_RAW_PIECE_BYTES = 64 * 1024

_MP3_KBITS_PER_S = {  # layer III, by MPEG version: 1, and 2 with 2.5
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_MP3_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def decode_clip(data: bytes, declared: InputFormat | None, max_seconds: float) -> bytes:
    """Decode a file by its content, or raw samples where `declared` names them and it is no file we know.

    Of a damaged or truncated file, what decodes is taken. Decoding stops once `max_seconds` are passed.

    Raises:
        AudioError: `bad_audio`, no sound came out; `bad_format`, `odd_length`, as for a live stream.
        LimitError: `clip_too_long`.
    """
    if (container := _container_of(data)) is not None:
        pieces = _decode_container(plain_wav(data) if container == "wav" else data, container)
    elif declared is not None and declared.encoding in (
        InputEncoding.PCM16,
        InputEncoding.MULAW,
        InputEncoding.ALAW,
    ):
        pieces = _decode_raw(data, declared)
    else:
        raise AudioError(
            f"The clip of {len(data)} bytes is no audio file we know; send a whole {_CONTAINERS} file,"
            " or name the format of raw samples."
        )
    clip = bytearray()
    max_bytes = int(max_seconds * STT_RATE_HZ) * BYTES_PER_SAMPLE
    for pcm in pieces:
        clip += pcm
        if len(clip) > max_bytes:
            raise LimitError(
                f"The clip is longer than {max_seconds:g} seconds; send a shorter one.", code="clip_too_long"
            )
    if not clip:
        raise AudioError("The clip holds no sound, or is too damaged to decode; record it again.")
    return bytes(clip)


def is_silent(pcm: bytes) -> bool:
    """Whether no 20 ms of PCM16 mono at 16 kHz are louder than `SILENCE_DBFS`."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    blocks = np.pad(samples, (0, -samples.size % _BLOCK_SAMPLES)).reshape(-1, _BLOCK_SAMPLES)
    loudest = float(np.square(blocks).mean(axis=1).max(initial=0.0))
    return loudest < 32768.0**2 * 10 ** (SILENCE_DBFS / 10)


def _container_of(data: bytes) -> str | None:
    """FFmpeg's name for the file that `data` begins.

    We decide, not FFmpeg: among all it can probe there are playlists, which open other files and addresses.
    """
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"fLaC":
        return "flac"
    if data[4:8] == b"ftyp":
        return "mp4"
    # An MP3 without tags begins with a frame's header; raw samples may look like one, hardly like two.
    if data[:3] == b"ID3" or (
        (length := _mp3_frame_bytes(data[:4])) and _mp3_frame_bytes(data[length : length + 4])
    ):
        return "mp3"
    return None


def _mp3_frame_bytes(header: bytes) -> int:
    """How long the layer III frame is that `header` begins; 0 if it begins none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version = header[1] >> 3 & 3
    rate_index = header[2] >> 2 & 3
    kbits_per_s = _MP3_KBITS_PER_S[version == 3][header[2] >> 4]
    if version == 1 or rate_index == 3 or not kbits_per_s:
        return 0
    samples_by_8 = 144 if version == 3 else 72
    return samples_by_8 * kbits_per_s * 1000 // _MP3_RATES_HZ[version][rate_index] + (header[2] >> 1 & 1)


def _decode_raw(data: bytes, declared: InputFormat) -> Iterator[bytes]:
    decoder = open_decoder(declared)
    for start in range(0, len(data), _RAW_PIECE_BYTES):
        yield decoder.push(data[start : start + _RAW_PIECE_BYTES])
    yield decoder.finish()


def _decode_container(data: bytes, container: str) -> Iterator[bytes]:
    """Resampled audio of the first sound track, up to where the file ends or breaks."""
    resampler: AudioResampler | None = None
    kind: tuple[int, str, str] | None = None
    for frame in _frames(data, container):
        if not _MIN_RATE_HZ <= frame.sample_rate <= _MAX_RATE_HZ or frame.layout.nb_channels > _MAX_CHANNELS:
            return
        frame_kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        if frame_kind != kind and resampler is not None:
            yield pcm_of(resampler.resample(None))
            resampler = None
        if resampler is None:
            resampler, kind = AudioResampler("s16", "mono", STT_RATE_HZ), frame_kind
        frame.pts = None  # times of a damaged file are no reason to stretch it
        yield pcm_of(resampler.resample(frame))
    if resampler is not None:
        yield pcm_of(resampler.resample(None))


def _frames(data: bytes, container: str) -> Iterator[AudioFrame]:
    """Decode up to where the file ends or breaks; a packet that does not decode is left out."""
    try:
        with av.open(io.BytesIO(data), format=container, metadata_errors="replace") as opened:
            if not isinstance(opened, InputContainer) or not opened.streams.audio:
                return
            stream = opened.streams.audio[0]
            for packet in opened.demux(stream):
                try:
                    yield from packet.decode()
                except av.FFmpegError:
                    continue
    except (av.FFmpegError, ValueError, MemoryError):
        return
