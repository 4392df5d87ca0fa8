"""A voice that tells when its words are spoken: then what was heard is known to the word."""

import pytest

from tests.fakes.scripted import ScriptedLlm, ScriptedTts, Speaking
from tests.session.rig import House, calling
from voice_server.core import wire
from voice_server.errors import ProviderError
from voice_server.providers.base import Marks

pytestmark = pytest.mark.session

TEXT = "One two three four five six."  # 1.4 s; its length alone puts the end of "two" at 350 ms
HURRIED: Marks = ((100, 3), (200, 7), (300, 13), (400, 18), (1_300, 23), (1_400, 28))
DOWN = ProviderError("Down.", stage="tts")


async def heard_at(house: House, at_ms: float) -> str:
    """What a caller has heard who stops the reply so long after its first sound."""
    async with calling(house) as call:
        await call.send(wire.TextIn("Count"))
        await call.until(wire.AudioOut)
        await call.pass_ms(at_ms)
        await call.send(wire.Stop())
        return (await call.until(wire.Interrupted)).heard_text


def saying(text: str, *script: Speaking) -> House:
    return House(llm=ScriptedLlm([[text]]), tts=ScriptedTts(script))


@pytest.mark.parametrize("marks_with", [0, 3], ids=["ahead", "late"])
async def test_what_was_heard_is_what_the_voice_says(marks_with: int) -> None:
    told = Speaking(marks=HURRIED, marks_with=marks_with)
    assert await heard_at(saying(TEXT, told), 410) == "One two three four"
    assert await heard_at(saying(TEXT, told), 1_290) == "One two three four"
    assert await heard_at(saying(TEXT, told), 1_310) == "One two three four five"
    assert await heard_at(saying(TEXT), 410) != "One two three four"


async def test_each_piece_has_times_of_its_own() -> None:
    """The second begins with a space that no voice is given."""
    text = f"Well then. {TEXT}"
    script = Speaking(marks=((500, 10),)), Speaking(marks=HURRIED)
    assert await heard_at(saying(text, *script), 500 + 390) == "Well then. One two three"
    assert await heard_at(saying(text, *script), 500 + 410) == "Well then. One two three four"


async def test_who_speaks_on_begins_at_the_word_that_was_not_spoken() -> None:
    """The marks of what was never heard are forgotten, and the new ones are of the whole piece."""
    broken = Speaking(fails=DOWN, at_once=False, marks=HURRIED)
    for at_ms, heard in [(470, "One two three"), (510, "One two three four")]:
        other = ScriptedTts([Speaking(marks=((500, 4), (600, 9), (700, 14)))], name="other")
        house = House(llm=ScriptedLlm([[TEXT]]), tts=ScriptedTts([broken], chunk_ms=350), more_ttss=[other])
        assert await heard_at(house, 350 + at_ms) == heard
        assert other.spoken == ["four five six."]


async def test_words_are_shown_with_the_sound_they_begin_in() -> None:
    async with calling(saying(TEXT, Speaking(marks=HURRIED))) as call:
        await call.send(wire.TextIn("Count"))
        await call.until(wire.AudioEnd)
        shown = [one.text for one in call.all(wire.AudioOut)]
    assert " ".join(filter(None, shown)) == TEXT
    assert " ".join(filter(None, shown[:4])) == "One two three four"
