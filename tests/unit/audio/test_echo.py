"""Whether a voice is what the loudspeaker plays."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from voice_server.audio.clip import decode_clip
from voice_server.audio.echo import BandLevels, likeness
from voice_server.audio.resample import resample_clip
from voice_server.core.overlap import ECHO_LIKENESS

pytestmark = pytest.mark.unit

DATA = Path(__file__).parents[2] / "data"
RATE_HZ, REPLY_HZ = 16_000, 24_000


def recording(name: str) -> NDArray[np.float32]:
    return np.frombuffer(decode_clip((DATA / f"{name}.wav").read_bytes(), None, 60), "<i2").astype(np.float32)


def reply() -> NDArray[np.float32]:
    return np.concatenate([recording(name) for name in ("penguins", "airplanes", "ocean")])


def pcm_of(samples: NDArray[np.float32]) -> bytes:
    return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


def in_a_room(samples: NDArray[np.float32], delay_ms: int, gain_db: float) -> NDArray[np.float32]:
    """As it comes back from a small loudspeaker across a room that is silent after 0.2 s."""
    rng, count = np.random.default_rng(5), RATE_HZ // 5
    response = rng.normal(0, 0.15, count) * np.exp(-6.9 * np.arange(count) / count)
    response[0] = 1.0
    late = np.concatenate([np.zeros(delay_ms * 16), np.convolve(samples, response)])[: samples.size]
    tinny = np.diff(late, prepend=0.0)
    return (tinny * 10 ** (gain_db / 20) + rng.normal(0, 20, samples.size)).astype(np.float32)


def playing(samples: NDArray[np.float32]) -> BandLevels:
    levels = BandLevels(REPLY_HZ)
    sound = resample_clip(pcm_of(samples), RATE_HZ, REPLY_HZ)
    for start in range(0, len(sound), 4_802):
        levels.push(sound[start : start + 4_802])
    return levels


def alike(
    heard: NDArray[np.float32], played: NDArray[np.float32], until_ms: int, length_ms: int = 500
) -> float:
    voice = pcm_of(heard[(until_ms - length_ms) * 16 : until_ms * 16])
    measured = likeness(voice, RATE_HZ, playing(played), until_ms)
    assert measured is not None
    return measured


@pytest.mark.parametrize("delay_ms", [0, 60, 250, 500, 750])
@pytest.mark.parametrize("gain_db", [0, -10, -20])
def test_an_echo(delay_ms: int, gain_db: float) -> None:
    played = reply()
    for until_ms in (1_600, 2_200, 2_800):
        assert alike(in_a_room(played, delay_ms, gain_db), played, until_ms) > ECHO_LIKENESS


@pytest.mark.parametrize("name", ["interruption", "france", "moon", "joke", "romeo"])
def test_another_voice(name: str) -> None:
    played, caller = reply(), recording(name)[: 3 * RATE_HZ]
    heard = np.zeros_like(played)
    heard[RATE_HZ : RATE_HZ + caller.size] = caller
    for until_ms in (1_700, 2_000):
        assert alike(heard, played, until_ms) < ECHO_LIKENESS
        assert alike(heard, played, until_ms + 300, 800) < ECHO_LIKENESS


def test_too_little_says_nothing() -> None:
    played = recording("france")
    voice = pcm_of(played[:RATE_HZ])
    assert likeness(voice[:4_000], RATE_HZ, playing(played), 1_000) is None
    assert likeness(voice, RATE_HZ, BandLevels(REPLY_HZ), 1_000) is None
    assert likeness(b"", RATE_HZ, playing(played), 1_000) is None


def test_silence_is_no_echo_of_silence() -> None:
    silence = np.zeros(2 * RATE_HZ, np.float32)
    assert alike(silence, silence, 1_500) < ECHO_LIKENESS


def test_only_the_last_seconds_are_kept() -> None:
    levels = BandLevels(RATE_HZ)
    for _ in range(100):
        levels.push(bytes(6_400))
    assert len(levels.between(0, 20_000)) == 300
    assert len(levels.between(19_000, 19_500)) == 25
    assert len(levels.between(0, 10_000)) == 0
