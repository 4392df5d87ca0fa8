"""Each way in which a reply can be sent, read back by a player's decoder."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.scripted import ScriptedLlm
from tests.wire import encoding
from tests.wire.rig import frames_until, serving
from voice_server.client import VoiceClient
from voice_server.client.frames import AudioChunk, AudioStreamEnd, AudioStreamStart

SPEECH = "The first clause. And the second one."  # within what is sent ahead: nothing waits
# An encoder may hold back or pad: MP3 frames are 24 to 72 ms, and its sound begins with a delay.
SLACK_MS = {"wav": 1, "pcm16": 1, "mulaw": 1, "opus": 25, "mp3": 150}


@pytest.mark.parametrize("transport", ["json", "binary"])
@pytest.mark.parametrize(
    ("format", "rate_hz"),
    [
        ("wav", 24_000),
        ("wav", 8_000),
        ("wav", 44_100),
        ("pcm16", 16_000),
        ("pcm16", 48_000),
        ("mp3", 24_000),
        ("mp3", 44_100),
        ("opus", 24_000),
        ("opus", 48_000),
        ("mulaw", 8_000),
    ],
)
async def test_joined_chunks_are_the_reply(format: str, rate_hz: int, transport: str) -> None:
    llm = ScriptedLlm(usual=lambda _: [SPEECH])
    output = {"format": format, "sample_rate": rate_hz, "transport": transport}
    async with serving(llm=llm) as served, VoiceClient.connect(served.url, output_audio=output) as client:
        await client.send_text("Go on.")
        frames = await frames_until(client, AudioStreamEnd)
    (start,) = [frame for frame in frames if isinstance(frame, AudioStreamStart)]
    assert (start.format, start.sample_rate, start.channels) == (format, rate_hz, 1)
    chunks = [frame for frame in frames if isinstance(frame, AudioChunk)]
    assert all((chunk.duration_ms is None) == (transport == "binary") for chunk in chunks)
    end = frames[-1]
    assert isinstance(end, AudioStreamEnd)
    if transport == "json":
        assert sum(chunk.duration_ms or 0 for chunk in chunks) == pytest.approx(end.duration_ms, abs=1)
    samples, decoded_rate_hz = encoding.decoded(b"".join(chunk.data for chunk in chunks), format, rate_hz)
    assert len(samples) / decoded_rate_hz * 1000 == pytest.approx(end.duration_ms, abs=SLACK_MS[format])
    assert loudest_hz(samples, decoded_rate_hz) == pytest.approx(440, abs=5)


def loudest_hz(samples: NDArray[np.float32], rate_hz: int) -> float:
    """The tone that the scripted voice speaks, at its true pitch."""
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * rate_hz / len(samples))
