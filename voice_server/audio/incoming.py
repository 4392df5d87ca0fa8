"""A client's live stream, decoded as it arrives, to what the ears take: PCM16 mono at 16 kHz."""

from collections.abc import Callable
from typing import Protocol, assert_never

import numpy as np

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ, InputEncoding, InputFormat
from voice_server.audio.g711 import decode_alaw, decode_mulaw
from voice_server.audio.ogg import OggOpusReader
from voice_server.audio.opus import OpusDecoder, OpusHead
from voice_server.audio.resample import Resampler
from voice_server.audio.webm import WebmOpusReader
from voice_server.errors import AudioError

__all__ = ["MAX_RATE_HZ", "MIN_RATE_HZ", "InputDecoder", "open_decoder"]

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 48_000


class InputDecoder(Protocol):
    """One input stream. It lives on after an error: the next push is judged by itself."""

    def push(self, data: bytes) -> bytes:
        """Decode the next bytes; gives PCM16 mono at 16 kHz, `b""` while there is not enough.

        Damage beside good audio is skipped.

        Raises:
            AudioError: `odd_length`, a part of a sample at the end, nothing was consumed;
                `bad_audio`, the bytes brought nothing but damage.
        """
        ...

    def finish(self) -> bytes:
        """End the stream: what was held back. What is pushed afterwards is a new stream."""
        ...


def open_decoder(declared: InputFormat) -> InputDecoder:
    """A decoder for a live stream.

    `opus`, `webm` and `ogg` streams know their rate and channels; what is declared is only checked.

    Raises:
        AudioError: `bad_format`, a rate or a number of channels we do not take.
    """
    if not MIN_RATE_HZ <= declared.rate_hz <= MAX_RATE_HZ:
        raise AudioError(
            f"A sample rate of {declared.rate_hz} Hz is not possible; use {MIN_RATE_HZ} to {MAX_RATE_HZ}.",
            code="bad_format",
        )
    if not 1 <= declared.channels <= 2:
        raise AudioError(f"{declared.channels} channels are not possible; use 1 or 2.", code="bad_format")
    match declared.encoding:
        case InputEncoding.PCM16:
            return _SampleDecoder(declared, BYTES_PER_SAMPLE, lambda data: data)
        case InputEncoding.MULAW:
            return _SampleDecoder(declared, 1, decode_mulaw)
        case InputEncoding.ALAW:
            return _SampleDecoder(declared, 1, decode_alaw)
        case InputEncoding.OPUS:
            return _OpusPacketDecoder()
        case InputEncoding.WEBM:
            return _ContainerDecoder(WebmOpusReader)
        case InputEncoding.OGG:
            return _ContainerDecoder(OggOpusReader)
        case _:
            assert_never(declared.encoding)


class _SampleDecoder:
    """Encodings of a fixed number of bytes a sample, channels interleaved."""

    def __init__(self, declared: InputFormat, sample_bytes: int, to_pcm: Callable[[bytes], bytes]) -> None:
        self._channels = declared.channels
        self._frame_bytes = sample_bytes * declared.channels
        self._to_pcm = to_pcm
        self._resampler = Resampler(declared.rate_hz, STT_RATE_HZ)

    def push(self, data: bytes) -> bytes:
        if len(data) % self._frame_bytes:
            raise AudioError(
                f"{len(data)} bytes end within a sample; send a multiple of {self._frame_bytes} bytes.",
                code="odd_length",
            )
        pcm = self._to_pcm(data)
        if self._channels == 2:
            pcm = np.frombuffer(pcm, "<i2").reshape(-1, 2).mean(axis=1).astype("<i2").tobytes()
        return self._resampler.push(pcm)

    def finish(self) -> bytes:
        return self._resampler.flush()


class _OpusPacketDecoder:
    """Raw Opus, one packet a push."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder()

    def push(self, data: bytes) -> bytes:
        return self._decoder.decode(data)

    def finish(self) -> bytes:
        return self._decoder.finish()


class _PacketReader(Protocol):
    def push(self, data: bytes) -> list[OpusHead | bytes]: ...


class _ContainerDecoder:
    """Opus in a container whose reader hands over packets, and a head where a stream begins."""

    def __init__(self, make_reader: Callable[[], _PacketReader]) -> None:
        self._make_reader = make_reader
        self._reader = make_reader()
        self._decoder = OpusDecoder()

    def push(self, data: bytes) -> bytes:
        decoded: list[bytes] = []
        problem: AudioError | None = None
        for item in self._reader.push(data):
            if isinstance(item, OpusHead):
                decoded.append(self._decoder.finish())
                self._decoder = OpusDecoder(item.pre_skip)
                continue
            try:
                decoded.append(self._decoder.decode(item))
            except AudioError as error:
                problem = error
        pcm = b"".join(decoded)
        if problem is not None and not pcm:
            raise problem
        return pcm

    def finish(self) -> bytes:
        self._reader = self._make_reader()
        return self._decoder.finish()
