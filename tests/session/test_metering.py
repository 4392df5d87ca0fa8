"""Each provider is booked what it was given, also where another served in the end."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.scripted import TONE_VOICE, ScriptedTts, Speaking
from voice_server.core.caller import Caller
from voice_server.core.usage import Unmetered, Use
from voice_server.errors import ProviderError
from voice_server.providers.base import Voice
from voice_server.providers.metered import Bill, MeteredTts
from voice_server.providers.resilient.chains import tts_chains
from voice_server.providers.resilient.phrases import Phrases
from voice_server.providers.resilient.policy import Policy

pytestmark = pytest.mark.session

DOWN = ProviderError("Down.", stage="tts")
PIECES = "One two.", "Three four five.", "Six."


class Booked(Unmetered):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.uses: list[Use] = []

    def record(self, caller: Caller, use: Use) -> float:
        self.uses.append(use)
        return 1.0


async def spoken(*script: Speaking) -> list[Use]:
    """What is booked for a reply whose first voice speaks so."""
    other = ScriptedTts(name="other", voices=(Voice("other", "other", "Other", "neutral", ("en-US",)),))
    first = ScriptedTts(script, name="first")
    chain, _ = tts_chains([first, other], Policy(retries=0), lambda name: None, Phrases())
    booked = Booked()
    bill = Bill(booked, Caller())

    async def text() -> AsyncIterator[str]:
        for piece in PIECES:
            yield piece

    async for _ in MeteredTts(chain, bill).speak(text(), TONE_VOICE):
        pass
    assert bill.take_turn() == len(booked.uses)
    return booked.uses


async def test_one_voice_is_one_call() -> None:
    characters = sum(map(len, PIECES))
    assert await spoken() == [Use("tts", "first", audio_ms=50 * characters, characters=characters)]


async def test_a_voice_that_broke_off_is_paid_for_what_it_was_given() -> None:
    first, other = await spoken(Speaking(), Speaking(fails=DOWN, at_once=False))
    one, three, six = map(len, PIECES)
    assert (first.provider, first.characters, first.audio_ms) == ("first", one + three, 50 * one + 200)
    assert (other.provider, other.characters) == ("other", three + six)
    assert other.audio_ms == 50 * (len("Three four five.") + six)


async def test_a_voice_of_which_nothing_was_heard_is_not_paid_for() -> None:
    (only,) = await spoken(Speaking(fails=DOWN))
    assert (only.provider, only.characters) == ("other", sum(map(len, PIECES)))
