"""Reply audio, encoded as it is spoken: the pushes of one encoder, joined, are one playable file."""

from typing import Protocol, assert_never, cast

import av
from av.audio.codeccontext import AudioCodecContext

from voice_server.audio.format import BYTES_PER_SAMPLE, OutputEncoding, OutputFormat
from voice_server.audio.g711 import encode_mulaw
from voice_server.audio.ogg import PageFlag, ogg_page
from voice_server.audio.opus import OPUS_RATE_HZ, OpusHead
from voice_server.audio.resample import Resampler, frame_of
from voice_server.audio.wav import wav_header
from voice_server.errors import AudioError

__all__ = ["OutputEncoder", "check_output_format", "open_encoder"]

_MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_MULAW_RATES_HZ = (8_000,)
_MIN_RATE_HZ, _MAX_RATE_HZ = 8_000, 48_000

_MP3_BITS_PER_S = 64_000
_OPUS_BITS_PER_S = 32_000
_OPUS_VENDOR = b"voice_server"
_OGG_SERIAL = 1  # one logical stream a file, so any number will do


class OutputEncoder(Protocol):
    """One reply's encoder; after `finish` it is spent."""

    def push(self, pcm: bytes) -> bytes:
        """Encode the next mono PCM16 at the source's rate; may give `b""` while it gathers a frame.

        Raises:
            AudioError: `odd_length`, half a sample at the end; nothing was consumed.
        """
        ...

    def finish(self) -> bytes:
        """The rest of the file; `b""` where nothing was ever pushed."""
        ...


def check_output_format(wanted: OutputFormat) -> None:
    """Say early, when a client asks for it, whether `open_encoder` will take this format.

    Raises:
        AudioError: `bad_format`, a rate that the encoding does not have.
    """
    match wanted.encoding:
        case OutputEncoding.WAV | OutputEncoding.PCM16:
            if not _MIN_RATE_HZ <= wanted.rate_hz <= _MAX_RATE_HZ:
                raise AudioError(
                    f"{wanted.encoding} at {wanted.rate_hz} Hz is not possible;"
                    f" use {_MIN_RATE_HZ} to {_MAX_RATE_HZ} Hz.",
                    code="bad_format",
                )
            return
        case OutputEncoding.MP3:
            rates_hz: tuple[int, ...] = _MP3_RATES_HZ
        case OutputEncoding.OPUS:
            rates_hz = _OPUS_RATES_HZ
        case OutputEncoding.MULAW:
            rates_hz = _MULAW_RATES_HZ
        case _:
            assert_never(wanted.encoding)
    if wanted.rate_hz not in rates_hz:
        known = ", ".join(str(rate_hz) for rate_hz in rates_hz)
        raise AudioError(
            f"{wanted.encoding} at {wanted.rate_hz} Hz is not possible; use {known} Hz.", code="bad_format"
        )


def open_encoder(wanted: OutputFormat, source_rate_hz: int) -> OutputEncoder:
    """An encoder for one reply whose speech comes at `source_rate_hz`.

    Raises:
        AudioError: `bad_format`, a rate that the encoding does not have.
    """
    check_output_format(wanted)
    return _ResampledEncoder(Resampler(source_rate_hz, wanted.rate_hz), _codec(wanted))


class _Codec(Protocol):
    """An encoder whose source already has the right rate."""

    def encode(self, pcm: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def _codec(wanted: OutputFormat) -> _Codec:
    match wanted.encoding:
        case OutputEncoding.WAV:
            return _Pcm16(wav_header(wanted.rate_hz))
        case OutputEncoding.PCM16:
            return _Pcm16(b"")
        case OutputEncoding.MULAW:
            return _Mulaw()
        case OutputEncoding.MP3:
            return _Mp3(wanted.rate_hz)
        case OutputEncoding.OPUS:
            return _OggOpus(wanted.rate_hz)
        case _:
            assert_never(wanted.encoding)


class _ResampledEncoder:
    def __init__(self, resampler: Resampler, codec: _Codec) -> None:
        self._resampler = resampler
        self._codec = codec
        self._begun = False

    def push(self, pcm: bytes) -> bytes:
        resampled = self._resampler.push(pcm)
        self._begun = self._begun or bool(pcm)
        return self._codec.encode(resampled) if self._begun else b""

    def finish(self) -> bytes:
        if not self._begun:
            return b""
        return self._codec.encode(self._resampler.flush()) + self._codec.finish()


class _Pcm16:
    def __init__(self, header: bytes) -> None:
        self._header = header

    def encode(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    def finish(self) -> bytes:
        return b""


class _Mulaw:
    def encode(self, pcm: bytes) -> bytes:
        return encode_mulaw(pcm)

    def finish(self) -> bytes:
        return b""


class _FrameCodec:
    """One of FFmpeg's encoders, which take frames of a fixed length."""

    def __init__(
        self,
        name: str,
        sample_format: str,
        rate_hz: int,
        bits_per_s: int,
        options: dict[str, str] | None = None,
    ) -> None:
        self._codec = cast(AudioCodecContext, av.CodecContext.create(name, "w"))
        self._codec.sample_rate = rate_hz
        self._codec.format = sample_format
        self._codec.layout = "mono"
        self._codec.bit_rate = bits_per_s
        self._codec.options = options or {}
        self._codec.open()
        self._sample_format = sample_format
        self._rate_hz = rate_hz
        self._pending = bytearray()
        self.head = self._codec.extradata or b""
        self.frame_bytes = self._codec.frame_size * BYTES_PER_SAMPLE

    def encode(self, pcm: bytes) -> list[bytes]:
        """Packets of the frames that are whole now."""
        self._pending += pcm
        whole = len(self._pending) - len(self._pending) % self.frame_bytes
        frames = bytes(self._pending[:whole])
        del self._pending[:whole]
        packets: list[bytes] = []
        for start in range(0, whole, self.frame_bytes):
            packets += self._encode_frame(frames[start : start + self.frame_bytes])
        return packets

    def finish(self, padding_bytes: int) -> list[bytes]:
        """Packets of what was pending, then silence, and of what the encoder itself held."""
        packets = self.encode(bytes(padding_bytes))
        return packets + [bytes(packet) for packet in self._codec.encode(None)]

    @property
    def pending_bytes(self) -> int:
        """What waits for the rest of its frame."""
        return len(self._pending)

    def _encode_frame(self, pcm: bytes) -> list[bytes]:
        return [
            bytes(packet) for packet in self._codec.encode(frame_of(pcm, self._rate_hz, self._sample_format))
        ]


class _Mp3:
    def __init__(self, rate_hz: int) -> None:
        self._codec = _FrameCodec("libmp3lame", "s16p", rate_hz, _MP3_BITS_PER_S)

    def encode(self, pcm: bytes) -> bytes:
        return b"".join(self._codec.encode(pcm))

    def finish(self) -> bytes:
        return b"".join(self._codec.finish(-self._codec.pending_bytes % self._codec.frame_bytes))


class _OggOpus:
    """Ogg with a page a packet, a packet every 20 ms, so that any page can be sent at once."""

    _PACKET_SAMPLES = OPUS_RATE_HZ // 50

    def __init__(self, rate_hz: int) -> None:
        self._codec = _FrameCodec(
            "libopus", "s16", rate_hz, _OPUS_BITS_PER_S, {"application": "voip", "frame_duration": "20"}
        )
        self._granules_per_byte = OPUS_RATE_HZ // rate_hz / BYTES_PER_SAMPLE
        self._pre_skip = OpusHead.parse(self._codec.head).pre_skip
        self._source_bytes = 0
        self._granule = 0
        self._sequence = 0

    def encode(self, pcm: bytes) -> bytes:
        head = b"" if self._sequence else self._header_pages()
        self._source_bytes += len(pcm)
        return head + b"".join([self._audio_page(packet) for packet in self._codec.encode(pcm)])

    def finish(self) -> bytes:
        # The pre-skip delays the sound, so at least one packet more is needed to bring out its end.
        last_granule = self._pre_skip + int(self._source_bytes * self._granules_per_byte)
        frames = -(-(last_granule - self._granule) // self._PACKET_SAMPLES)
        packets = self._codec.finish(frames * self._codec.frame_bytes - self._codec.pending_bytes)[:frames]
        pages = [self._audio_page(packet) for packet in packets[:-1]]
        # A last granule short of its packet's end tells players where to cut.
        self._granule = last_granule - self._PACKET_SAMPLES
        return b"".join(pages) + self._audio_page(packets[-1], PageFlag.LAST)

    def _header_pages(self) -> bytes:
        tags = b"OpusTags" + len(_OPUS_VENDOR).to_bytes(4, "little") + _OPUS_VENDOR + bytes(4)
        return self._page(self._codec.head, PageFlag.FIRST) + self._page(tags)

    def _audio_page(self, packet: bytes, flags: PageFlag = PageFlag.NONE) -> bytes:
        self._granule += self._PACKET_SAMPLES
        return self._page(packet, flags)

    def _page(self, packet: bytes, flags: PageFlag = PageFlag.NONE) -> bytes:
        page = ogg_page(
            packet, serial=_OGG_SERIAL, sequence=self._sequence, granule=self._granule, flags=flags
        )
        self._sequence += 1
        return page
