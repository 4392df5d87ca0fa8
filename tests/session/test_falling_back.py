"""A provider fails and another takes over: the caller notices nothing but who it was."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.fakes.scripted import HANG, Listening, ScriptedLlm, ScriptedStt, ScriptedTts, Speaking
from tests.session.rig import VAD, House, calling
from voice_server.core import wire
from voice_server.core.sentences import Sentence
from voice_server.core.wire import EndReason
from voice_server.errors import ProviderError, ProviderUnavailable
from voice_server.providers.base import AudioChunk, ReplyUsage, SttCapabilities, SttHints, Voice
from voice_server.providers.resilient.phrases import Phrases
from voice_server.providers.resilient.policy import Policy
from voice_server.session.limits import Deadlines

pytestmark = pytest.mark.session

REFUSED = ProviderUnavailable("Out of capacity.", stage="llm")
DOWN = ProviderError("Down.", stage="stt")
WATCHED = Deadlines(silence_ms=3_000)


def tts(
    *script: Speaking, name: str = "other", gender: str = "neutral", language: str = "en-US"
) -> ScriptedTts:
    return ScriptedTts(script, name=name, voices=(Voice(name, name, name, gender, (language,)),))


class GermanStt(ScriptedStt):
    @property
    def capabilities(self) -> SttCapabilities:
        return replace(super().capabilities, languages=("de",))


@pytest.mark.parametrize(
    ("listening", "after_ms"),
    [(Listening(fails=DOWN), 0), (Listening(ends=True), 0), (Listening(final_s=HANG), 2_000)],
)
async def test_what_was_said_is_told_again_to_the_next_recogniser(
    listening: Listening, after_ms: float
) -> None:
    other = ScriptedStt(name="other")
    async with calling(House(stt=ScriptedStt([listening]), more_stts=[other])) as call:
        await call.say("Hello", then_quiet_ms=3_000)
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "Hello"
        assert not call.all(wire.ErrorOut)
        assert metrics.providers["stt"] == "other"
        settled_ms = call.one(wire.SpeechStoppedOut).at_ms + 96
        assert call.when(wire.TranscriptionOut) == pytest.approx(settled_ms + max(after_ms, 416), abs=40)
        assert other.streams_open == 0


async def test_a_recogniser_of_another_language_is_not_asked() -> None:
    german = GermanStt(name="german")
    async with calling(House(stt=ScriptedStt([Listening(fails=DOWN)]), more_stts=[german])) as call:
        await call.say("Hello")
        await call.until(wire.Metrics)
        assert call.one(wire.ErrorOut).stage == "stt"
        assert not german.hints


async def test_before_its_first_word_another_model_answers() -> None:
    house = House(llm=ScriptedLlm([[HANG]]), more_llms=[ScriptedLlm(name="other", model="m")])
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        assert metrics.providers["llm"] == "other/m"
        assert call.when(wire.MessageChunk) == pytest.approx(2_000, abs=1)
        assert not call.all(wire.ErrorOut)
        assert house.llm.calls_open == 0


async def test_a_model_that_has_nothing_to_say_has_not_begun() -> None:
    house = House(llm=ScriptedLlm([[ReplyUsage(20, 0)]]), more_llms=[ScriptedLlm(name="other", model="m")])
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        assert metrics.providers["llm"] == "other/m"
        assert not call.all(wire.ErrorOut)


async def test_a_provider_that_breaks_while_it_gets_ready_is_followed_by_the_next() -> None:
    house = House(
        llm=ScriptedLlm(warm_error=KeyError("a bug")), more_llms=[ScriptedLlm(name="other", model="m")]
    )
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        assert metrics.providers["llm"] == "other/m"


async def test_after_its_first_word_no_other_model_is_asked() -> None:
    other = ScriptedLlm(name="other")
    house = House(llm=ScriptedLlm([["One. ", REFUSED]]), more_llms=[other])
    async with calling(house) as call:
        await call.send(wire.TextIn("Count"))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "One. "
        assert call.tts.spoken == ["One.", Sentence.NO_ANSWER.in_language("en")]
        assert not other.requests


async def test_a_call_that_failed_at_once_is_made_again() -> None:
    house = House(llm=ScriptedLlm([[REFUSED], ["Here I am."]]), policy=Policy(retries=1, retry_wait_ms=200))
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "Here I am."
        assert 100 <= call.when(wire.MessageChunk) <= 301


@pytest.mark.parametrize(("rest_s", "answers"), [(1.0, True), (60.0, False)])
async def test_a_provider_is_asked_again_when_it_said_and_no_sooner(rest_s: float, answers: bool) -> None:
    busy = ProviderUnavailable("Too often.", stage="llm", retry_after_s=rest_s)
    house = House(llm=ScriptedLlm([[busy], ["Here I am."]]), policy=Policy(retries=1))
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert bool(call.all(wire.AiResponse)) is answers
        assert len(house.llm.requests) == 1 + answers
        if answers:
            assert call.when(wire.MessageChunk) == pytest.approx(rest_s * 1000, abs=1)


async def test_a_slow_model_is_raced_by_the_next_and_left_when_it_loses() -> None:
    slow = ScriptedLlm([[1.5, "Slow."]], name="slow")
    quick = ScriptedLlm([[0.2, "Quick."]], name="quick")
    async with calling(House(llm=slow, more_llms=[quick], policy=Policy(hedge_ms=500))) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "Quick."
        assert call.when(wire.MessageChunk) == pytest.approx(700, abs=1)
        assert metrics.providers["llm"] == "quick/script-1"
        assert slow.calls_open == 0


@pytest.mark.parametrize(
    "speaking",
    [Speaking(fails=DOWN), Speaking(first_s=HANG), Speaking(ends=True)],
    ids=["fails", "hangs", "ends"],
)
async def test_another_voice_speaks_on_from_the_piece_that_was_not_spoken(speaking: Speaking) -> None:
    wrong, like = tts(name="wrong", language="de-DE"), tts(name="like")
    house = House(
        llm=ScriptedLlm([["One. ", "Two. ", "Three."]]),
        tts=ScriptedTts([Speaking(), speaking]),
        more_ttss=[wrong, like],
    )
    async with calling(house) as call:
        await call.send(wire.TextIn("Count"))
        metrics = await call.until(wire.Metrics)
        assert (call.tts.spoken, wrong.spoken, like.spoken) == (["One."], [], ["Two.", "Three."])
        assert call.one(wire.AudioEnd).reason is EndReason.COMPLETED
        assert metrics.providers["tts"] == "like"
        assert not call.all(wire.ErrorOut)
        await call.pass_ms(5_000)
        assert call.history[-1][1] == "One. Two. Three."


class MuteTts(ScriptedTts):
    """Takes all text, and says nothing about it."""

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        async for piece in text:
            self.spoken.append(piece)
            if len(self.spoken) > 9:
                raise ProviderError("Enough of it.", stage="tts")
        for chunk in list[AudioChunk]():
            yield chunk


async def test_a_voice_that_says_nothing_and_ends_well_has_failed() -> None:
    async with calling(House(tts=MuteTts(), more_ttss=[tts()])) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        assert call.tts.spoken == ["You said: Hello"]
        assert metrics.providers["tts"] == "other"


async def test_a_voice_that_breaks_off_is_followed_at_the_word_it_had_come_to() -> None:
    """At the usual pace 50 ms hold no whole word, and 800 ms hold two."""
    text = "Seven brave tailors went to sea together."
    for chunk_ms, rest in [(50.0, text), (800.0, "tailors went to sea together.")]:
        other = tts()
        broken = ScriptedTts([Speaking(fails=DOWN, at_once=False)], chunk_ms=chunk_ms)
        async with calling(House(llm=ScriptedLlm([[text]]), tts=broken, more_ttss=[other])) as call:
            await call.send(wire.TextIn("Count"))
            await call.until(wire.Metrics)
            assert other.spoken == [rest]
            assert not call.all(wire.ErrorOut)
            await call.pass_ms(5_000)
            assert call.history[-1][1] == text


async def test_a_caller_who_cuts_in_after_a_switch_has_heard_a_beginning_of_the_reply() -> None:
    text = "Seven brave tailors went to sea together."
    broken = ScriptedTts([Speaking(fails=DOWN, at_once=False)], chunk_ms=800)
    async with calling(House(llm=ScriptedLlm([[text]]), tts=broken, more_ttss=[tts()])) as call:
        await call.send(wire.TextIn("Count"))
        await call.pass_ms(1_200)
        await call.send(wire.Stop())
        heard = (await call.until(wire.Interrupted)).heard_text
        assert heard and text.startswith(heard) and heard != text


async def test_the_next_voice_is_of_the_same_gender_and_its_sound_of_the_first_ones_rate() -> None:
    other = ScriptedTts(
        name="other",
        rate_hz=16_000,
        voices=tuple(Voice(one, "other", one, one, ("en-GB",)) for one in ("male", "neutral")),
    )
    asked: list[str] = []
    speak = other.speak

    def listen(text: object, voice: Voice) -> object:
        asked.append(voice.id)
        return speak(text, voice)  # type: ignore[arg-type]

    other.speak = listen  # type: ignore[assignment, method-assign]
    house = House(tts=ScriptedTts([Speaking(fails=DOWN)]), more_ttss=[other])
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert asked == ["neutral"]
        expected_ms = 50 * len("You said: Hello")
        assert sum(one.duration_ms for one in call.all(wire.AudioOut)) == pytest.approx(expected_ms, abs=5)


async def known(voice: ScriptedTts) -> Phrases:
    """What this voice has learned in good days."""
    phrases = Phrases()
    texts = [sentence.in_language("en") for sentence in Sentence]
    assert await phrases.learn(voice, voice.capabilities.voices[0], texts)
    return phrases


async def test_a_voice_that_fails_altogether_says_so_by_heart() -> None:
    phrases = await known(ScriptedTts())
    house = House(tts=ScriptedTts(usual=Speaking(fails=DOWN)), phrases=phrases)
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        words = Sentence.NO_VOICE.in_language("en")
        assert sum(one.duration_ms for one in call.all(wire.AudioOut)) == pytest.approx(
            50 * len(words), abs=5
        )
        assert call.one(wire.ErrorOut).code == "provider_failed"
        assert call.one(wire.AudioEnd).reason is EndReason.FAILED
        assert call.one(wire.AiResponse).text == "You said: Hello"
        await call.pass_ms(5_000)
        assert call.history == [("user", "Hello")]  # the model did not write it


async def test_an_apology_needs_no_voice() -> None:
    """The model and every voice are down: the caller hears why."""
    phrases = await known(ScriptedTts())
    dead = ScriptedTts(usual=Speaking(fails=DOWN))
    async with calling(House(llm=ScriptedLlm([[REFUSED]]), tts=dead, phrases=phrases)) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        words = Sentence.NO_ANSWER.in_language("en")
        assert sum(one.duration_ms for one in call.all(wire.AudioOut)) == pytest.approx(
            50 * len(words), abs=5
        )
        assert [one.stage for one in call.all(wire.ErrorOut)] == ["llm"]


async def test_apologies_are_in_the_language_of_the_session() -> None:
    german = tts(name="scripted", language="de-DE")
    house = House(stt=GermanStt(), llm=ScriptedLlm([[REFUSED]]), tts=german)
    async with calling(house, wire.Changes(language_code="de-DE")) as call:
        await call.send(wire.TextIn("Hallo"))
        await call.until(wire.Metrics)
        assert call.tts.spoken == [Sentence.NO_ANSWER.in_language("de")]


async def test_silence_is_broken_aloud_where_there_is_a_sentence_for_it() -> None:
    house = House(llm=ScriptedLlm([[9.0, "Late."]]), phrases=await known(ScriptedTts()), deadlines=WATCHED)
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        length_ms = 50 * len(Sentence.ONE_MOMENT.in_language("en"))
        begins = [
            one.at_ms
            for one in call.told
            if isinstance(one.output, wire.AudioOut) and one.output.index in (0, 10, 20)
        ]
        assert begins == pytest.approx([3_000, 6_000 + length_ms, 9_000], abs=10)
        assert not call.all(wire.ErrorOut)
        assert call.one(wire.AudioEnd).reason is EndReason.COMPLETED
        await call.pass_ms(5_000)
        assert call.history[-1][1] == "Late."


async def test_silence_is_broken_by_an_error_where_there_is_none() -> None:
    house = House(stt=ScriptedStt([Listening(final_s=7.0)]), deadlines=WATCHED)
    async with calling(house) as call:
        await call.say("Hello", then_quiet_ms=8_000)
        await call.until(wire.Metrics)
        codes = [(one.code, one.stage) for one in call.all(wire.ErrorOut)]
        assert codes == [("slow", "stt")] * 2
        decided_ms = call.when(wire.SpeechStoppedOut)
        assert call.when(wire.ErrorOut) == pytest.approx(decided_ms + 3_000, abs=5)
        assert call.when(wire.ErrorOut, 1) == pytest.approx(decided_ms + 6_000, abs=5)
        assert call.one(wire.AiResponse).text == "You said: Hello"


async def test_a_filler_is_said_once_if_it_is_wished_for() -> None:
    house = House(
        llm=ScriptedLlm([[2.5, "Late."]]),
        phrases=await known(ScriptedTts()),
        deadlines=Deadlines(silence_ms=3_000, filler_ms=1_500),
    )
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert call.when(wire.AudioOut) == pytest.approx(1_500, abs=2)
        words = Sentence.FILLER.in_language("en") + "Late."
        assert sum(one.duration_ms for one in call.all(wire.AudioOut)) == pytest.approx(
            50 * len(words), abs=5
        )


async def test_cutting_in_ends_every_call_at_once() -> None:
    """On both sides of a switch, and while two models race."""
    slow, quick = ScriptedLlm([[HANG]], name="slow"), ScriptedLlm([["One. ", HANG]], name="quick")
    voice, other = ScriptedTts([Speaking(fails=DOWN)]), tts(Speaking(chunk_s=1.0), name="like")
    policy = Policy(retries=0, hedge_ms=500)
    house = House(llm=slow, more_llms=[quick], tts=voice, more_ttss=[other], policy=policy)
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.pass_ms(700)
        assert (slow.calls_open, quick.calls_open, other.replies_open) == (0, 1, 1)
        await call.send(wire.Stop(), wire.TextIn("Again"))
        await call.pass_ms(100)
        assert (slow.calls_open, quick.calls_open, other.replies_open) == (0, 0, 0)
        assert len(quick.requests) == 1


class Moments(list[SttHints]):
    """When each of them came."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s: list[float] = []

    def append(self, hints: SttHints) -> None:
        self.at_s.append(asyncio.get_running_loop().time())
        super().append(hints)


async def test_two_hundred_callers_of_a_dead_recogniser_try_it_once_a_window() -> None:
    """Nobody is cut off, everybody is told, and the vendor is left alone."""
    window_s, failures = 3.0, 3
    dead = ScriptedStt(usual=Listening(fails=DOWN))
    dead.hints = asked = Moments()
    policy = Policy(retries=1, breaker_failures=failures, breaker_window_ms=window_s * 1000)
    house = House(stt=dead, policy=policy)
    registry = house.registry()
    calls = [await house.call(registry, wire.Init(changes=VAD)) for _ in range(200)]

    async def talk(number: int) -> None:
        call = calls[number]
        await call.send(wire.StreamStart())
        await call.pass_ms(1_000 if number >= failures else 0)  # the first few find it out
        for _ in range(3):
            await call.say("Hi", then_quiet_ms=800)
            await call.pass_ms(2_000 + 10 * number)

    await asyncio.gather(*(talk(number) for number in range(len(calls))))
    assert not any(call.line.closed or call.session.is_over for call in calls)
    assert all(len(call.all(wire.ErrorOut)) == 3 for call in calls)
    tries_s = asked.at_s[failures:]
    assert len(tries_s) >= 2
    assert all(later - earlier >= window_s for earlier, later in pairwise(asked.at_s[failures - 1 :]))
    await registry.drain(0)
    for call in calls:
        call.line.cut()
    house.workers.shutdown()
