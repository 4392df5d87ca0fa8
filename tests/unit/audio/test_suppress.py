"""Noise goes, voice stays."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.needed import lacking
from voice_server.audio.format import STT_RATE_HZ
from voice_server.audio.level import level_dbfs
from voice_server.audio.suppress import open_rnnoise
from voice_server.audio.wav import read_wav
from voice_server.errors import ConfigurationError

pytestmark = pytest.mark.unit

RECORDINGS = Path(__file__).parents[2] / "data"
is_installed = importlib.util.find_spec("pyrnnoise") is not None


def cleaned(pcm: bytes) -> bytes:
    if not is_installed:
        lacking("the extra is not installed: pip install voice-server[noise]")
    suppressor = open_rnnoise()()
    pieces = [suppressor.push(pcm[start : start + 640]) for start in range(0, len(pcm), 640)]
    return b"".join(pieces) + suppressor.flush()


def noise(seconds: float) -> bytes:
    samples = np.random.default_rng(0).normal(0, 500, int(seconds * STT_RATE_HZ))
    return samples.astype("<i2").tobytes()


def test_noise_goes() -> None:
    heard = cleaned(noise(3))
    assert level_dbfs(heard[STT_RATE_HZ * 2 :]) < level_dbfs(noise(3)) - 15


def test_voice_stays_and_its_length() -> None:
    pcm, _ = read_wav(RECORDINGS / "france.wav")
    heard = cleaned(pcm)
    assert abs(level_dbfs(heard) - level_dbfs(pcm)) < 3
    assert abs(len(heard) - len(pcm)) <= 640


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"voice-server\[noise\]"):
        open_rnnoise()
