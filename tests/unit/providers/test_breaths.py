import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.leaving import is_cancelled_while
from voice_server.providers.local import piper
from voice_server.providers.local.piper import split_breaths

pytestmark = pytest.mark.unit


def test_sentences_are_spoken_one_by_one() -> None:
    assert split_breaths("Hello there. How are you? Fine!") == ["Hello there.", "How are you?", "Fine!"]


def test_a_long_sentence_breaks_at_its_clauses() -> None:
    clause = "and then we walked along the river for a while,"
    breaths = split_breaths(" ".join([clause] * 6))
    assert len(breaths) > 1
    assert all(breath.endswith(",") for breath in breaths)


@given(st.lists(st.text("abc.,!? ", min_size=1, max_size=60)))
def test_no_word_is_lost_and_no_breath_is_too_long(pieces: list[str]) -> None:
    text = " ".join(pieces)
    breaths = split_breaths(text)
    assert " ".join(breaths).split() == text.split()
    assert all(len(breath) <= 160 or " " not in breath for breath in breaths)


async def test_who_is_cancelled_while_leaving_a_voice_is_cancelled() -> None:
    async def words() -> AsyncIterator[str]:
        yield "..."  # nothing to say: no model is needed
        await asyncio.sleep(3_600)

    async def listen(is_leaving: asyncio.Event) -> None:
        speaking = piper.create({}).speak(words(), piper.PiperTextToSpeech.capabilities.voices[0])
        await anext(speaking)
        await asyncio.sleep(0)
        is_leaving.set()
        await speaking.aclose()

    assert await is_cancelled_while(listen)
