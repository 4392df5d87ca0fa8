import numpy as np
import pytest

from tests.unit.audio.sound import tone
from voice_server.audio.clip import is_silent
from voice_server.audio.level import FLOOR_DBFS, level_dbfs

pytestmark = pytest.mark.unit


def test_levels() -> None:
    assert level_dbfs(np.full(1000, -32768, "<i2").tobytes()) == 0
    assert level_dbfs(tone(1, 16_000, peak=32767)) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(tone(1, 16_000, peak=3277)) == pytest.approx(-23.01, abs=0.01)


def test_silence_has_a_level_too() -> None:
    assert level_dbfs(b"") == level_dbfs(bytes(640)) == FLOOR_DBFS


def test_what_is_silent() -> None:
    assert is_silent(b"")
    assert is_silent(bytes(32_000))
    assert is_silent(tone(1, 16_000, peak=12)), "-71.7 dBFS"
    assert not is_silent(tone(1, 16_000, peak=18)), "-68.2 dBFS"


def test_a_word_in_a_long_silence_is_not_silent() -> None:
    assert not is_silent(bytes(60 * 32_000) + tone(0.1, 16_000, peak=40) + bytes(60 * 32_000))
