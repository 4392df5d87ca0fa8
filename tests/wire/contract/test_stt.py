"""What every vendor's recogniser keeps, on its own wire."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.wire.contract.case import KEY, Cut, SttCase, assert_is_ours, bench, every, every_failure
from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.core.languages import primary
from voice_server.errors import ProviderError
from voice_server.fakes.script import PATIENCE_S, Fault, Script
from voice_server.fakes.spoken import speak
from voice_server.providers.base import FinalHeard, PartialHeard, SpeechToText, SttHints, SttStream

pytestmark = pytest.mark.wire

FRAME_BYTES = bytes_of_ms(20, STT_RATE_HZ)
SPEECH = speak("it is almost noon, and the sun is high")  # 1.5 s
GERMAN = SttHints("de-DE")

each = pytest.mark.parametrize("case", every("STT"))


def push(stream: SttStream, pcm: bytes) -> None:
    for start in range(0, len(pcm), FRAME_BYTES):
        stream.push(pcm[start : start + FRAME_BYTES])


async def final(stream: SttStream, mark: int) -> FinalHeard:
    """The answer to the flush `mark`, the partials before it passed over."""
    async with asyncio.timeout(PATIENCE_S):
        async for heard in stream:
            if isinstance(heard, FinalHeard):
                assert heard.mark == mark
                return heard
    raise AssertionError("the stream ended without a final")


async def recognise(stt: SpeechToText, pcm: bytes = SPEECH, hints: SttHints = GERMAN) -> FinalHeard:
    async with stt.open(hints) as stream:
        push(stream, pcm)
        stream.flush(1)
        return await final(stream, 1)


@each
async def test_a_flush_is_answered_with_its_mark(case: SttCase) -> None:
    async with bench(case) as at:
        heard = await recognise(at.provider)
        assert heard.transcript.text == at.script.text
        assert {call.key for call in at.fake.seen.calls} == {KEY}
        assert at.fake.seen.heard_bytes >= len(SPEECH)


@each
async def test_how_long_an_utterance_may_be_is_not_the_vendors_affair(case: SttCase) -> None:
    """The operator says how long a clip may be; all of it is pushed at once."""
    async with bench(case) as at, at.provider.open(GERMAN) as stream:
        stream.push(bytes(bytes_of_ms(400_000, STT_RATE_HZ)))
        stream.flush(1)
        assert at.script.text in (await final(stream, 1)).transcript.text


@each
async def test_the_language_is_found_out_by_those_who_say_so(case: SttCase) -> None:
    """And all others understand all the same, when they are not told it."""
    async with bench(case, Script(language="de")) as at:
        heard = await recognise(at.provider, hints=SttHints(None, ("en-US", "de-DE")))
        assert heard.transcript.text == at.script.text
        if at.provider.capabilities.detects_language:
            assert primary(heard.transcript.language or "") == "de"


@each
async def test_partials_come_while_the_user_speaks(case: SttCase) -> None:
    async with bench(case) as at:
        assert at.provider.capabilities.partials
        async with at.provider.open(GERMAN) as stream:
            push(stream, SPEECH)
            async with asyncio.timeout(PATIENCE_S):
                first = await anext(aiter(stream))
        assert isinstance(first, PartialHeard)
        assert first.text.strip() and at.script.text.startswith(first.text.strip())


@each
async def test_the_speaker_goes_on_and_the_later_final_has_it_all(case: SttCase) -> None:
    async with bench(case) as at:
        async with at.provider.open(GERMAN) as stream:
            push(stream, SPEECH)
            stream.flush(1)
            first = await final(stream, 1)
            push(stream, SPEECH)
            stream.flush(2)
            second = await final(stream, 2)
        assert first.transcript.text == at.script.text
        assert second.transcript.text.startswith(first.transcript.text)
        assert at.fake.seen.heard_bytes >= 2 * len(SPEECH)


@each
async def test_two_flushes_at_once_are_answered_by_the_later(case: SttCase) -> None:
    async with bench(case) as at:
        async with at.provider.open(GERMAN) as stream:
            push(stream, SPEECH)
            stream.flush(1)
            push(stream, SPEECH)
            stream.flush(2)
            marks = []
            async with asyncio.timeout(PATIENCE_S):
                async for heard in stream:
                    if isinstance(heard, FinalHeard):
                        marks.append(heard.mark)
                    if marks and marks[-1] == 2:
                        break
        assert marks in ([2], [1, 2])


@each
async def test_nothing_said_is_an_empty_final(case: SttCase) -> None:
    async with bench(case) as at, at.provider.open(GERMAN) as stream:
        stream.flush(1)
        assert (await final(stream, 1)).transcript.text == ""


@each
async def test_the_language_goes_over_the_wire(case: SttCase) -> None:
    async with bench(case) as at:
        await recognise(at.provider)
        assert at.fake.seen.calls[-1].language == case.german


@each
async def test_a_recogniser_that_says_nothing_can_be_left(case: SttCase) -> None:
    async with bench(case, Script(fault=Fault.HANG)) as at:
        async with at.provider.open(GERMAN) as stream:
            push(stream, SPEECH)
            stream.flush(1)
            await at.fake.seen.until(lambda seen: seen.under_way >= 1)
            cut = Cut(at.fake)
        await cut.seen()
        assert at.fake.seen.abandoned >= 1


@each
async def test_an_utterance_that_is_given_up_is_over_on_the_wire(case: SttCase) -> None:
    async with bench(case, Script(fault=Fault.STALL)) as at:
        async with asyncio.timeout(PATIENCE_S), at.provider.open(GERMAN) as stream:
            push(stream, SPEECH)
            await at.fake.seen.until(lambda seen: seen.under_way == 1 and seen.heard_bytes >= FRAME_BYTES)
            cut = Cut(at.fake)
        await cut.seen()


@each
async def test_leaving_ends_the_iteration(case: SttCase) -> None:
    async with bench(case, Script(fault=Fault.HANG)) as at:
        async with at.provider.open(GERMAN) as stream:
            push(stream, SPEECH)
            reading = asyncio.create_task(_read(aiter(stream)))
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            assert not [heard for heard in await reading if isinstance(heard, FinalHeard)]


async def _read(heard: AsyncIterator[PartialHeard | FinalHeard]) -> list[PartialHeard | FinalHeard]:
    return [one async for one in heard]


@pytest.mark.parametrize(("case", "fault"), every_failure("STT"))
async def test_failures_are_told_in_our_words(case: SttCase, fault: Fault) -> None:
    async with bench(case, Script(fault=fault)) as at:
        with pytest.raises(ProviderError) as failure:
            await recognise(at.provider)
        assert_is_ours(failure.value, case, fault, "stt")


@each
async def test_after_a_failure_the_next_utterance_is_heard(case: SttCase) -> None:
    async with bench(case, Script(fault=Fault.DROP)) as at:
        with pytest.raises(ProviderError):
            await recognise(at.provider)
        at.script.fault = None
        assert (await recognise(at.provider)).transcript.text == at.script.text


@each
async def test_two_speakers_at_once_are_both_heard(case: SttCase) -> None:
    async with bench(case) as at:
        heard = await asyncio.gather(recognise(at.provider), recognise(at.provider))
        assert [one.transcript.text for one in heard] == [at.script.text] * 2
