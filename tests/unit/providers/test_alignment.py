"""ElevenLabs' times of characters, as they come: answer by answer, with gaps, repetitions and overlaps."""

from typing import Any

import pytest

from voice_server.providers.base import Marks
from voice_server.providers.elevenlabs.alignment import Alignment

pytestmark = pytest.mark.unit

BYTES_PER_MS = 48


def told(chars: str, character_ms: float = 10) -> dict[str, Any]:
    return {
        "chars": list(chars),
        "charStartTimesMs": [index * character_ms for index in range(len(chars))],
        "charDurationsMs": [character_ms] * len(chars),
    }


def marks(text: str, *answers: tuple[dict[str, Any] | None, int]) -> Marks:
    """Of answers with so many milliseconds of audio each."""
    alignment = Alignment(text, 24_000)
    found: Marks = ()
    for one, audio_ms in answers:
        found += alignment.marks(one or {}, audio_ms * BYTES_PER_MS)
    return found


def test_a_word_may_be_split_between_answers() -> None:
    assert marks("One two.", (told("One t"), 50), (told("wo. "), 40)) == ((30, 3), (80, 8))


def test_an_answer_begins_where_the_sound_before_it_ended() -> None:
    assert marks("One two.", (told("One "), 140), (None, 100), (told("two."), 40)) == ((30, 3), (280, 8))


def test_characters_may_reach_beyond_the_sound_of_their_answer() -> None:
    assert marks("One two.", (told("One "), 10), (told("two."), 10), (None, 60)) == ((30, 3), (80, 8))


def test_words_that_are_told_again_are_passed_over() -> None:
    answers = (told(" One two"), 80), (told("One two three"), 0), (told(" three."), 70)
    assert [char for _, char in marks("One two three.", *answers)] == [3, 7, 14]


def test_white_space_need_not_be_the_same() -> None:
    assert [char for _, char in marks("One\n\ntwo.", (told("  One two. "), 110))] == [3, 9]


def test_scripts_without_spaces_have_a_mark_each_character() -> None:
    assert marks("你好。", (told("你好。"), 30)) == ((10, 1), (20, 2), (30, 3))


@pytest.mark.parametrize("odd", [{"chars": None}, {"chars": ["O"], "charStartTimesMs": None}])
def test_what_is_missing_is_no_mark(odd: dict[str, Any]) -> None:
    assert marks("One.", (odd, 10), (told("One."), 40)) == ((50, 4),)
