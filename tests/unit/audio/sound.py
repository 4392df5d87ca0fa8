"""Sounds made by arithmetic, and what one can tell of a sound."""

import io
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray


def tone(seconds: float, rate_hz: int, hz: float = 440.0, peak: int = 10_000) -> bytes:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (peak * np.sin(2 * np.pi * hz * times)).astype("<i2").tobytes()


def noise(seconds: float, rate_hz: int = 16_000, peak: int = 1_000) -> bytes:
    return np.random.default_rng(1).normal(0, peak, round(seconds * rate_hz)).astype("<i2").tobytes()


def babble(seconds: float) -> bytes:
    """A voice at 16 kHz that says nothing.

    Pulses at 120 Hz go through three wandering resonances, four syllables a second.
    """
    rate_hz = 16_000
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * times)) / rate_hz
    pulses = np.diff(np.floor(phase), prepend=0) > 0
    sound = np.zeros(times.size)
    for number, (hz, bandwidth_hz, share) in enumerate(((600, 80, 1.0), (1200, 100, 0.6), (2500, 150, 0.3))):
        wandering_hz = hz * (1 + 0.25 * np.sin(2 * np.pi * (2.3 + number) * times + number))
        radius = np.exp(-np.pi * bandwidth_hz / rate_hz)
        swings = 2 * radius * np.cos(2 * np.pi * wandering_hz / rate_hz)
        resonance = np.zeros(times.size)
        last = before_last = 0.0
        for index in range(times.size):
            last, before_last = pulses[index] + swings[index] * last - radius**2 * before_last, last
            resonance[index] = last
        sound += share * resonance / np.abs(resonance).max()
    sound *= 0.55 + 0.45 * np.sin(2 * np.pi * 4 * times)
    samples: NDArray[np.float64] = 12_000 * sound / np.abs(sound).max()
    return samples.astype("<i2").tobytes()


def samples_of(pcm: bytes) -> NDArray[np.int16]:
    return np.frombuffer(pcm, "<i2")


def loudest_hz(pcm: bytes, rate_hz: int) -> float:
    samples = samples_of(pcm)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * rate_hz / samples.size)


def rms(pcm: bytes) -> float:
    return float(np.sqrt(np.square(samples_of(pcm).astype(np.float64)).mean()))


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


_FRAME_SAMPLES = 1024


class _LiveFile:
    """A file one cannot go back in, as a recorder's stream."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def encode(
    pcm: bytes, rate_hz: int, container: str, codec: str, channels: int = 1, live: bool = False
) -> bytes:
    """Let FFmpeg write a file of it, both channels of a stereo one alike."""
    file = _LiveFile() if live else io.BytesIO()
    options = {"live": "1", "cluster_time_limit": "300"} if live and container == "webm" else {}
    layout = "mono" if channels == 1 else "stereo"
    with av.open(file, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate_hz)
        assert isinstance(stream, AudioStream)
        stream.layout = layout
        for number, piece in enumerate(pieces(pcm, 2 * _FRAME_SAMPLES)):
            frame = AudioFrame.from_ndarray(np.repeat(samples_of(piece), channels)[np.newaxis], "s16", layout)
            frame.sample_rate = rate_hz
            frame.time_base = Fraction(1, rate_hz)
            frame.pts = number * _FRAME_SAMPLES
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return bytes(file.data) if isinstance(file, _LiveFile) else file.getvalue()


def opus_packets(pcm: bytes, rate_hz: int, channels: int = 1) -> list[bytes]:
    """Raw Opus packets of 20 ms."""
    with av.open(io.BytesIO(encode(pcm, rate_hz, "ogg", "libopus", channels)), "r") as source:
        return [bytes(packet) for packet in source.demux(audio=0) if packet.size]
