"""What every vendor's voice keeps, on its own wire."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import groupby

import pytest

from tests.wire.contract.case import KEY, Cut, TtsCase, assert_is_ours, bench, every, every_failure
from voice_server.audio.format import duration_ms
from voice_server.errors import ProviderError
from voice_server.fakes.script import PATIENCE_S, Fault, Script
from voice_server.providers.base import AudioChunk, TextToSpeech

pytestmark = pytest.mark.wire

each = pytest.mark.parametrize("case", every("TTS"))


async def texts(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece


async def say(tts: TextToSpeech, *pieces: str) -> list[AudioChunk]:
    voice = tts.capabilities.voices[0]
    async with asyncio.timeout(PATIENCE_S), aclosing(tts.speak(texts(*pieces), voice)) as chunks:
        return [chunk async for chunk in chunks]


def by_piece(chunks: list[AudioChunk]) -> list[bytes]:
    """The sound of each piece; its last chunk, and no other, ends it."""
    pieces = [(number, list(group)) for number, group in groupby(chunks, lambda chunk: chunk.piece)]
    assert [number for number, _ in pieces] == list(range(len(pieces)))
    for _, group in pieces:
        assert [chunk.ends_piece for chunk in group] == [False] * (len(group) - 1) + [True]
        assert all(len(chunk.pcm) % 2 == 0 for chunk in group)
    return [b"".join(chunk.pcm for chunk in group) for _, group in pieces]


@each
async def test_each_piece_is_spoken_whole_and_in_order(case: TtsCase) -> None:
    async with bench(case) as at:
        spoken = by_piece(await say(at.provider, "Good morning.", "It is noon."))
        assert spoken == [at.script.sound_of("Good morning."), at.script.sound_of("It is noon.")]
        assert {call.key for call in at.fake.seen.calls} == {KEY}


@each
async def test_the_times_of_words_are_told_by_those_who_know_them(case: TtsCase) -> None:
    pieces = "Well, it's noon.", "Grüße an “alle” 5 & mehr!", "It is noon, it is noon."
    async with bench(case) as at:
        chunks = await say(at.provider, *pieces)
        capabilities = at.provider.capabilities
        character_ms = duration_ms(at.script.tone_bytes_per_character, capabilities.rate_hz)
        for number, text in enumerate(pieces):
            marks = [mark for chunk in chunks if chunk.piece == number for mark in chunk.timing]
            ends = [word.end() for word in re.finditer(r"\S+", text)] if capabilities.word_times else []
            assert marks == sorted(set(marks))
            assert [end for end in ends if end not in {char for _, char in marks}] == []
            for at_ms, char in marks:
                assert at_ms == pytest.approx(char * character_ms, abs=character_ms)
                assert at_ms <= len(text) * character_ms
        assert capabilities.word_times or not any(chunk.timing for chunk in chunks)


@each
async def test_the_voice_that_is_asked_for_is_named_on_the_wire(case: TtsCase) -> None:
    async with bench(case) as at:
        voice = at.provider.capabilities.voices[-1]
        async with asyncio.timeout(PATIENCE_S), aclosing(at.provider.speak(texts("Hi."), voice)) as chunks:
            assert by_piece([chunk async for chunk in chunks]) == [at.script.sound_of("Hi.")]
        assert at.fake.seen.calls[-1].voice == voice.id


@each
async def test_a_piece_without_words_is_an_empty_chunk(case: TtsCase) -> None:
    async with bench(case) as at:
        spoken = by_piece(await say(at.provider, "…", "It is noon.", " "))
        assert spoken == [b"", at.script.sound_of("It is noon."), b""]


@each
async def test_no_text_is_no_sound(case: TtsCase) -> None:
    async with bench(case) as at:
        assert await say(at.provider) == []


@each
async def test_sound_comes_while_the_text_is_still_being_written(case: TtsCase) -> None:
    goes_on = asyncio.Event()

    async def slowly() -> AsyncIterator[str]:
        yield "Good morning."
        await goes_on.wait()
        yield "It is noon."

    async with bench(case) as at:
        voice = at.provider.capabilities.voices[0]
        chunks = []
        async with asyncio.timeout(PATIENCE_S), aclosing(at.provider.speak(slowly(), voice)) as speaking:
            async for chunk in speaking:
                chunks.append(chunk)
                if chunk.ends_piece:
                    goes_on.set()  # not before: the first piece must not wait for the second
        assert by_piece(chunks) == [at.script.sound_of("Good morning."), at.script.sound_of("It is noon.")]


@each
async def test_a_cut_reply_is_cut_on_the_wire(case: TtsCase) -> None:
    async with bench(case, Script(fault=Fault.STALL)) as at:
        chunks = at.provider.speak(texts("Good morning."), at.provider.capabilities.voices[0])
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(chunks)).pcm
            cut = Cut(at.fake)
            await chunks.aclose()
            await chunks.aclose()  # once more changes nothing
        await cut.seen()
        assert at.fake.seen.abandoned == 1


@each
async def test_a_voice_that_says_nothing_can_be_left(case: TtsCase) -> None:
    async with bench(case, Script(fault=Fault.HANG)) as at:
        waiting = asyncio.create_task(say(at.provider, "Good morning."))
        await at.fake.seen.until(lambda seen: seen.under_way == 1)
        cut = Cut(at.fake)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await cut.seen()
        assert at.fake.seen.abandoned == 1


@pytest.mark.parametrize(("case", "fault"), every_failure("TTS"))
async def test_failures_are_told_in_our_words(case: TtsCase, fault: Fault) -> None:
    async with bench(case, Script(fault=fault)) as at:
        with pytest.raises(ProviderError) as failure:
            await say(at.provider, "Good morning.")
        assert_is_ours(failure.value, case, fault, "tts")


@each
async def test_after_a_failure_the_next_reply_is_spoken(case: TtsCase) -> None:
    async with bench(case, Script(fault=Fault.DROP)) as at:
        with pytest.raises(ProviderError):
            await say(at.provider, "Good morning.")
        at.script.fault = None
        assert by_piece(await say(at.provider, "It is noon.")) == [at.script.sound_of("It is noon.")]


@each
async def test_two_replies_at_once_do_not_mix(case: TtsCase) -> None:
    async with bench(case) as at:
        one, other = await asyncio.gather(say(at.provider, "One."), say(at.provider, "Another."))
        assert by_piece(one) == [at.script.sound_of("One.")]
        assert by_piece(other) == [at.script.sound_of("Another.")]
