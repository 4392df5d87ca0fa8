import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.leaving import is_cancelled_while
from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.errors import AudioError, ProviderError, VoiceServerError
from voice_server.providers.base import (
    FinalHeard,
    PartialHeard,
    SttCapabilities,
    SttHints,
    SttStream,
    Transcript,
)
from voice_server.providers.segmented import GUESSED_S, SegmentedSpeechToText

pytestmark = pytest.mark.unit


def silence(ms: float) -> bytes:
    return bytes(bytes_of_ms(ms, STT_RATE_HZ))


def sound(milliseconds: int) -> bytes:
    return b"\x00\x10\x00\xf0" * (milliseconds * 8)


class Call:
    """A transcription the test ends when it likes."""

    def __init__(self, pcm: bytes, urgent: bool) -> None:
        self.ms = len(pcm) * 1000 // (2 * STT_RATE_HZ)
        self.urgent = urgent
        self.answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()


class ScriptedTranscriber:
    name = "scripted"
    title = "Scripted"
    capabilities = SttCapabilities(languages=("en",))

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def warm(self) -> None: ...

    async def close(self) -> None: ...

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        call = Call(pcm, urgent)
        self.calls.append(call)
        return await call.answer


class Ear:
    """A stream, and what it has heard so far."""

    def __init__(self, stream: SttStream) -> None:
        self.stream = stream
        self.heard: list[PartialHeard | FinalHeard] = []
        self.errors: list[VoiceServerError] = []

    async def listen(self) -> None:
        try:
            async for heard in self.stream:
                self.heard.append(heard)
        except VoiceServerError as error:
            self.errors.append(error)


@asynccontextmanager
async def open_ear(stt: SegmentedSpeechToText) -> AsyncIterator[Ear]:
    async with asyncio.TaskGroup() as group, stt.open(SttHints()) as stream:
        ear = Ear(stream)
        group.create_task(ear.listen())
        yield ear


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_flush_is_answered_with_its_mark() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(300))
        ear.stream.flush(7)
        await settle()
        assert [(call.ms, call.urgent) for call in transcriber.calls] == [(300, True)]
        transcriber.calls[0].answer.set_result(Transcript("hello"))
        await settle()
        assert ear.heard == [FinalHeard(Transcript("hello"), 7)]


async def test_a_later_flush_drops_the_answer_of_an_older_one() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(300))
        ear.stream.flush(1)
        await settle()
        ear.stream.push(sound(200))
        ear.stream.flush(2)
        await settle()
        assert transcriber.calls[0].answer.cancelled()
        assert transcriber.calls[1].ms == 500, "the later final holds the whole utterance again"
        transcriber.calls[1].answer.set_result(Transcript("hello world"))
        await settle()
        assert ear.heard == [FinalHeard(Transcript("hello world"), 2)]


async def test_silence_pushed_after_a_flush_does_not_lose_its_answer() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.flush(1)
        await settle()
        ear.stream.push(sound(2000))
        transcriber.calls[0].answer.set_result(Transcript("hello"))
        await settle()
        assert ear.heard == [FinalHeard(Transcript("hello"), 1)]


async def test_who_is_cancelled_while_leaving_is_cancelled() -> None:
    transcriber = ScriptedTranscriber()

    async def listen(is_leaving: asyncio.Event) -> None:
        async with SegmentedSpeechToText(transcriber).open(SttHints()) as stream:
            stream.flush(1)
            await settle()
            is_leaving.set()

    assert await is_cancelled_while(listen)


async def test_partials_come_with_new_audio_one_at_a_time() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber, partial_every_ms=700)) as ear:
        for _ in range(34):
            ear.stream.push(sound(20))
        await settle()
        assert transcriber.calls == []
        for _ in range(100):
            ear.stream.push(sound(20))
        await settle()
        assert [(call.ms, call.urgent) for call in transcriber.calls] == [(700, False)]
        transcriber.calls[0].answer.set_result(Transcript("so"))
        await settle()
        ear.stream.push(sound(20))
        await settle()
        assert ear.heard == [PartialHeard("so", "")]
        assert [call.ms for call in transcriber.calls] == [700, 2700]


async def test_nobodys_partial_delays_anybodys_final() -> None:
    transcriber = ScriptedTranscriber()
    stt = SegmentedSpeechToText(transcriber)
    async with open_ear(stt) as one, open_ear(stt) as other:
        one.stream.push(sound(100))
        one.stream.flush(1)
        await settle()
        other.stream.push(sound(5000))
        await settle()
        assert [call.urgent for call in transcriber.calls] == [True]
        transcriber.calls[0].answer.set_result(Transcript("hi"))
        await settle()
        other.stream.push(sound(20))
        await settle()
        assert [call.urgent for call in transcriber.calls] == [True, False]


async def guess(ear: Ear, transcriber: ScriptedTranscriber, text: str) -> PartialHeard:
    """What is told when this is the next guess."""
    ear.stream.push(sound(700))
    await settle()
    transcriber.calls[-1].answer.set_result(Transcript(text))
    await settle()
    heard = ear.heard[-1]
    assert isinstance(heard, PartialHeard)
    return heard


async def test_what_two_guesses_agree_on_is_steady_and_stays() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        said = [
            await guess(ear, transcriber, text)
            for text in ("Who wrote wrong?", "who wrote Romeo", "Who wrote Romeo and", "Whoever")
        ]
        assert [one.steady for one in said] == ["", "who wrote", "Who wrote Romeo", "Who wrote Romeo"]
        assert said[-1].text == "Whoever"


async def test_a_guess_that_gave_way_says_nothing() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        await guess(ear, transcriber, "Who wrote")
        ear.stream.push(sound(700))
        await settle()
        transcriber.calls[-1].answer.set_result(Transcript(""))
        await settle()
        assert len(ear.heard) == 1
        assert (await guess(ear, transcriber, "Who wrote it")).steady == "Who wrote"


async def test_where_guesses_are_few_a_stream_goes_without_and_does_not_queue() -> None:
    transcriber = ScriptedTranscriber()
    stt = SegmentedSpeechToText(transcriber, most_guesses=1)
    async with open_ear(stt) as one, open_ear(stt) as other:
        one.stream.push(sound(700))
        await settle()
        other.stream.push(sound(900))
        await settle()
        assert [call.ms for call in transcriber.calls] == [700]
        transcriber.calls[0].answer.set_result(Transcript("so"))
        await settle()
        other.stream.push(sound(20))
        await settle()
        assert [call.ms for call in transcriber.calls] == [700, 920]
        other.stream.flush(1)
        await settle()
        one.stream.push(sound(900))
        await settle()
        assert [call.urgent for call in transcriber.calls] == [False, False, True], "finals go first"


async def test_guessing_can_be_turned_off() -> None:
    transcriber = ScriptedTranscriber()
    stt = SegmentedSpeechToText(transcriber, partial_every_ms=0)
    assert not stt.capabilities.partials
    async with open_ear(stt) as ear:
        ear.stream.push(sound(5_000))
        await settle()
        assert transcriber.calls == []


async def test_a_voice_that_fades_into_noise_is_not_guessed_at() -> None:
    transcriber = ScriptedTranscriber()
    noise = b"\x80\x01\x80\xfe" * (100 * 8)  # 20 dB below the voice, and above silence
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(680) + noise)
        await settle()
        assert transcriber.calls == []
        ear.stream.push(sound(20) + sound(100))
        await settle()
        assert len(transcriber.calls) == 1


async def test_a_flush_takes_the_place_of_a_running_partial() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(800))
        await settle()
        ear.stream.flush(3)
        await settle()
        assert transcriber.calls[0].answer.cancelled()
        assert transcriber.calls[1].urgent


async def test_leaving_cancels_what_runs() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.flush(1)
        await settle()
    assert transcriber.calls[0].answer.cancelled()
    assert ear.heard == []


async def test_a_failed_final_is_raised_and_a_failed_partial_is_not() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(800))
        await settle()
        transcriber.calls[0].answer.set_exception(ProviderError("busy", stage="stt"))
        await settle()
        assert ear.errors == []
        ear.stream.flush(1)
        await settle()
        transcriber.calls[1].answer.set_exception(RuntimeError("a bug"))
        await settle()
    assert [error.stage for error in ear.errors] == ["stt"]
    assert isinstance(ear.errors[0].__cause__, RuntimeError)


async def test_whoever_is_at_fault_is_told_of() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(100))
        ear.stream.flush(1)
        await settle()
        damaged = AudioError("This is no speech.")
        transcriber.calls[0].answer.set_exception(damaged)
        await settle()
    assert ear.errors == [damaged]


async def test_silence_is_not_guessed_at() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(silence(2_000))
        await settle()
        assert transcriber.calls == []
        ear.stream.push(sound(700))
        await settle()
        assert [(call.ms, call.urgent) for call in transcriber.calls] == [(2_700, False)]


async def test_a_long_utterance_is_heard_once_at_its_end() -> None:
    transcriber = ScriptedTranscriber()
    async with open_ear(SegmentedSpeechToText(transcriber)) as ear:
        ear.stream.push(sound(GUESSED_S * 1000 + 20))
        await settle()
        assert transcriber.calls == []
        ear.stream.flush(1)
        await settle()
        assert [call.urgent for call in transcriber.calls] == [True]
