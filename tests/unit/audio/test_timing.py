"""Words are placed by the pauses and the length of what is heard."""

from itertools import pairwise

import numpy as np
import pytest

from voice_server.audio.timing import time_words

pytestmark = pytest.mark.unit

RATE_HZ = 16_000


def sound(*stretches_ms: float, pause_ms: float = 200) -> bytes:
    """Voice of these lengths, with pauses between."""
    rng = np.random.default_rng(0)
    parts = []
    for length_ms in stretches_ms:
        parts += [rng.normal(0, 3_000, int(length_ms * 16)), np.zeros(int(pause_ms * 16))]
    return np.concatenate(parts).astype("<i2").tobytes()


def ends(text: str, *stretches_ms: float) -> dict[str, float]:
    timing = time_words(sound(*stretches_ms), RATE_HZ, text)
    words = text.split()
    assert [text[:char].split()[-1] for _, char in timing.marks] == words
    return dict(zip(words, [at_ms for at_ms, _ in timing.marks], strict=True))


def test_words_fill_their_stretch_as_long_as_they_are_written() -> None:
    found = ends("a considerable lot", 900)
    assert (
        found["a"] < 250 and 600 < found["considerable"] < 800 and found["lot"] == pytest.approx(900, abs=20)
    )


def test_a_pause_falls_where_the_mark_is() -> None:
    found = ends("Yes, of course it is", 300, 900)
    assert found["Yes,"] == pytest.approx(300, abs=20)
    assert found["of"] > 500


def test_a_pause_without_a_mark_falls_between_the_words_that_fit() -> None:
    found = ends("one two three four five six", 900, 300)
    assert found["four"] <= 920 and found["five"] > 1_100


def test_more_pauses_than_words() -> None:
    assert ends("Hello there", 200, 200, 200, 200)["there"] == pytest.approx(1_400, abs=20)


def test_nothing_to_place() -> None:
    assert time_words(b"", RATE_HZ, "Hello").marks == ()
    assert time_words(sound(500), RATE_HZ, "  ").characters(10_000) == 2
    silent = time_words(bytes(32_000), RATE_HZ, "Hello there")
    assert silent.characters(500) == 5 and silent.characters(1_000) == 11


@pytest.mark.parametrize("text", ["  Well, I never! ", "It costs 1200 dollars.", "NATO", "a b c d e f g h"])
def test_characters_only_grow_and_end_with_the_text(text: str) -> None:
    timing = time_words(sound(400, 700), RATE_HZ, text)
    reached = [timing.characters(at_ms) for at_ms in range(0, 2_000, 10)]
    assert all(before <= after for before, after in pairwise(reached))
    assert reached[0] == 0 and reached[-1] == len(text)
