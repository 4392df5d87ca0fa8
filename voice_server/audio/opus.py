"""Opus packets to PCM, and the header that containers carry before them."""

import struct
from dataclasses import dataclass

import av

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ
from voice_server.audio.resample import Resampler, pcm_of
from voice_server.errors import AudioError

__all__ = ["OPUS_RATE_HZ", "OpusDecoder", "OpusHead"]

OPUS_RATE_HZ = 48_000
"""The clock of every Opus stream, whatever its source's rate: granule positions and pre-skip count in it."""

_HEAD = struct.Struct("<8sBBHIhB")


@dataclass(frozen=True, slots=True)
class OpusHead:
    """What a container says of its Opus stream (RFC 7845, 5.1). `pre_skip` is in samples at 48 kHz."""

    channels: int
    pre_skip: int

    @classmethod
    def parse(cls, data: bytes) -> "OpusHead":
        """Read `OpusHead`.

        Raises:
            AudioError: damaged, or surround sound.
        """
        if len(data) < _HEAD.size or not data.startswith(b"OpusHead"):
            raise AudioError("The stream's Opus header is damaged; start a new recording.")
        _, _, channels, pre_skip, _, _, family = _HEAD.unpack_from(data)
        if family != 0 or not 1 <= channels <= 2:
            raise AudioError(f"The Opus stream has {channels} channels; record in mono or stereo.")
        return cls(channels, pre_skip)


class OpusDecoder:
    """Packets of one stream to PCM16 mono at 16 kHz; libopus mixes stereo down itself."""

    def __init__(self, pre_skip: int = 0) -> None:
        # Made with one channel: it then decodes stereo packets to mono as well.
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.layout = "mono"
        self._skip_bytes = pre_skip * BYTES_PER_SAMPLE
        self._resampler = Resampler(OPUS_RATE_HZ, STT_RATE_HZ)

    def decode(self, packet: bytes) -> bytes:
        """Decode one packet; an empty one, which some senders use for silence, is nothing.

        Raises:
            AudioError: not an Opus packet. The decoder lives on.
        """
        if not packet:
            return b""
        try:
            pcm = pcm_of(self._codec.decode(av.Packet(packet)))
        except av.FFmpegError as error:
            raise AudioError(
                f"{len(packet)} bytes are not an Opus packet; send each packet whole, alone in its message."
            ) from error
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(pcm))
            self._skip_bytes -= skipped
            pcm = pcm[skipped:]
        return self._resampler.push(pcm)

    def finish(self) -> bytes:
        """The last milliseconds."""
        return self._resampler.flush()
