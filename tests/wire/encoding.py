"""What browsers and phones send, made with a real encoder; and what we send, read by a real decoder."""

import io
from fractions import Fraction

import av
import numpy as np
import soundfile
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

OPUS_RATE_HZ = 48_000


def opus_packets(pcm: bytes, rate_hz: int) -> list[bytes]:
    """Raw Opus packets of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = OPUS_RATE_HZ, "mono", "s16"
    encoder.time_base = Fraction(1, OPUS_RATE_HZ)
    resampler = AudioResampler("s16", "mono", OPUS_RATE_HZ, frame_size=OPUS_RATE_HZ // 50)
    packets = []
    for frame in [*resampler.resample(_frame(pcm, rate_hz)), *resampler.resample(None)]:
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


def container(pcm: bytes, rate_hz: int, format: str) -> bytes:
    """A `webm` or `ogg` stream with Opus in it, as a MediaRecorder makes it."""
    file = io.BytesIO()
    with av.open(file, "w", format=format) as output:
        stream = output.add_stream("libopus", rate=OPUS_RATE_HZ, layout="mono")
        output.mux(stream.encode(_frame(pcm, rate_hz)))
        output.mux(stream.encode(None))
    return file.getvalue()


def companded(pcm: bytes, codec: str) -> bytes:
    """`pcm_mulaw` or `pcm_alaw` at 8 kHz, from PCM16 at 16 kHz."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 8_000, "mono", "s16"
    encoder.time_base = Fraction(1, 8_000)
    frames = AudioResampler("s16", "mono", 8_000).resample(_frame(pcm, 16_000))
    return b"".join(bytes(packet) for frame in frames for packet in encoder.encode(frame))


def decoded(data: bytes, format: str, rate_hz: int) -> tuple[NDArray[np.float32], int]:
    """Reply audio as a player reads it: samples and their rate in Hz."""
    match format:
        case "pcm16":
            return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768), rate_hz
        case "wav":
            samples, file_rate_hz = soundfile.read(io.BytesIO(data), dtype="float32")
            return samples.astype(np.float32), file_rate_hz
        case _:
            named = "mulaw" if format == "mulaw" else None
            options = {"sample_rate": str(rate_hz)} if named else {}  # it has no header to say so
            with av.open(io.BytesIO(data), "r", format=named, options=options) as source:
                frames = [frame.to_ndarray() for frame in source.decode(audio=0)]
                decoded_rate_hz = source.streams.audio[0].rate
            joined = np.concatenate(frames, axis=1)[0]
            if joined.dtype == np.int16:
                joined = joined.astype(np.float32) / np.float32(32_768)
            return joined.astype(np.float32), decoded_rate_hz


def _frame(pcm: bytes, rate_hz: int) -> av.AudioFrame:
    samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = rate_hz
    frame.pts = 0
    frame.time_base = Fraction(1, rate_hz)
    return frame
