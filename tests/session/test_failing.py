"""Something behind the server fails, hangs or is slow: the caller always notices, and the session goes on."""

import pytest

from tests.fakes.scripted import HANG, Listening, ScriptedLlm, ScriptedStt, ScriptedTts, Speaking, Step
from tests.session.rig import Call, House, calling, wav
from voice_server.core import wire
from voice_server.core.sentences import Sentence
from voice_server.core.wire import EndReason, StatusKind
from voice_server.errors import ConfigurationError, LimitError, ProviderError, ProviderUnavailable
from voice_server.fakes.spoken import cough, quiet, speak
from voice_server.providers.resilient.policy import Deadlines, Policy
from voice_server.session.limits import SessionLimits

pytestmark = pytest.mark.session

NOT_HEARD = Sentence.NOT_HEARD.in_language("en")
NO_ANSWER = Sentence.NO_ANSWER.in_language("en")

FAST = Policy(
    retries=0,
    last=Deadlines(
        stt_final_ms=2_000,
        llm_first_token_ms=3_000,
        llm_gap_ms=1_000,
        tts_first_audio_ms=1_500,
        tts_gap_ms=1_000,
    ),
)
REFUSED = ProviderUnavailable("The provider is out of capacity.", stage="llm")


async def goes_on(call: Call) -> None:
    """The next turn is as if nothing had been."""
    turns = len(call.all(wire.Metrics))
    await call.send(wire.TextIn("Next"))
    await call.until(wire.Metrics, turns + 1)
    assert call.all(wire.AiResponse)[-1].text == "You said: Next"
    assert call.all(wire.AudioEnd)[-1].reason is EndReason.COMPLETED


@pytest.mark.parametrize(
    ("listening", "code", "after_ms"),
    [
        (Listening(fails=ProviderError("No.", stage="stt")), "provider_failed", 0),
        (Listening(fails=ValueError("a bug")), "provider_failed", 0),
        (Listening(ends=True), "provider_failed", 0),
        (Listening(final_s=HANG), "provider_timeout", 2_000),
        (Listening(final_s=5.0), "provider_timeout", 2_000),
    ],
)
async def test_speech_to_text_fails(listening: Listening, code: str, after_ms: float) -> None:
    house = House(stt=ScriptedStt([listening]), policy=FAST)
    async with calling(house) as call:
        await call.say("Hello")
        metrics = await call.until(wire.Metrics)
        error = call.one(wire.ErrorOut)
        assert (error.code, error.stage, error.turn_id) == (code, "stt", metrics.turn_id)
        assert call.tts.spoken == [NOT_HEARD]
        assert call.one(wire.AudioEnd).reason is EndReason.FAILED
        assert not call.all(wire.TranscriptionOut) and not call.all(wire.AiResponse)
        settled_ms = call.one(wire.SpeechStoppedOut).at_ms + 96
        assert call.when(wire.ErrorOut) == pytest.approx(settled_ms + max(after_ms, 416), abs=40)
        assert call.history == []
        await call.say("Again")  # the next utterance is heard
        await call.until(wire.Metrics, 2)
        assert call.one(wire.TranscriptionOut).text == "Again"


@pytest.mark.parametrize(
    ("steps", "written", "code", "after_ms"),
    [
        ([REFUSED], "", "provider_unavailable", 0),
        ([ValueError("a bug")], "", "provider_failed", 0),
        ([HANG], "", "provider_timeout", 3_000),
        ([4, "Late."], "", "provider_timeout", 3_000),
        ([], "", "empty_reply", 0),
        (["  ", "\n"], "", "empty_reply", 0),
        (["Well, that is ", HANG], "Well, that is ", "provider_timeout", 1_000),
        (["Well, that is ", REFUSED], "Well, that is ", "provider_unavailable", 0),
    ],
)
async def test_the_model_fails(steps: list[Step], written: str, code: str, after_ms: float) -> None:
    async with calling(House(llm=ScriptedLlm([steps]), policy=FAST)) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        error = call.one(wire.ErrorOut)
        assert (error.code, error.stage, error.turn_id) == (code, "llm", metrics.turn_id)
        assert call.when(wire.ErrorOut) == pytest.approx(after_ms, abs=1)
        assert " ".join(call.tts.spoken) == f"{written}{NO_ANSWER}"
        assert call.one(wire.AudioEnd).reason is EndReason.FAILED
        chunks = call.all(wire.MessageChunk)
        assert [one.text for one in call.all(wire.AiResponse)] == ([written] if written else [])
        assert "".join(one.chunk for one in chunks) == written
        assert sum(one.is_final for one in chunks) == bool(written)
        await call.pass_ms(10_000)
        assert [text.strip() for _, text in call.history] == (
            ["Hello", written.strip()] if written else ["Hello"]
        )
        await goes_on(call)


@pytest.mark.parametrize(
    ("speaking", "code", "after_ms"),
    [
        (Speaking(fails=ProviderError("No.", stage="tts")), "provider_failed", 0),
        (Speaking(fails=ValueError("a bug")), "provider_failed", 0),
        (Speaking(ends=True), "provider_failed", 0),
        (Speaking(first_s=HANG), "provider_timeout", 1_500),
        (Speaking(first_s=9.0), "provider_timeout", 1_500),
        (Speaking(fails=ProviderError("No.", stage="tts"), at_once=False), "provider_failed", 0),
        (Speaking(chunk_s=1.4), "provider_timeout", 1_400 + 1_000),
    ],
)
async def test_the_voice_fails(speaking: Speaking, code: str, after_ms: float) -> None:
    async with calling(House(tts=ScriptedTts([speaking]), policy=FAST)) as call:
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        error = call.one(wire.ErrorOut)
        assert (error.code, error.stage, error.turn_id) == (code, "tts", metrics.turn_id)
        assert call.when(wire.ErrorOut) == pytest.approx(after_ms, abs=1)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        ends = call.all(wire.AudioEnd)
        assert len(ends) == len(call.all(wire.AudioStart))
        assert all(one.reason is EndReason.FAILED for one in ends)
        await goes_on(call)


async def test_the_text_is_whole_even_if_the_voice_fails_early() -> None:
    house = House(
        llm=ScriptedLlm([["One. ", 1, "Two. ", 1, "Three."]]),
        tts=ScriptedTts([Speaking(fails=ProviderError("No.", stage="tts"), at_once=False)]),
    )
    async with calling(house) as call:
        await call.send(wire.TextIn("Count"))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "One. Two. Three."
        kinds = [
            type(one)
            for one in call.outputs
            if isinstance(one, wire.AiResponse | wire.AudioEnd | wire.Metrics)
        ]
        assert kinds == [wire.AiResponse, wire.AudioEnd, wire.Metrics]


async def test_a_slow_model_is_not_a_silent_voice() -> None:
    house = House(llm=ScriptedLlm([["One. ", 2.5, "Two."]]), policy=Policy(last=Deadlines(tts_gap_ms=1_000)))
    async with calling(house) as call:
        await call.send(wire.TextIn("Count"))
        await call.until(wire.Metrics)
        assert not call.all(wire.ErrorOut)
        assert call.tts.spoken == ["One.", "Two."]


async def test_everything_fails_and_there_is_still_an_error() -> None:
    house = House(
        llm=ScriptedLlm(usual=lambda _: [REFUSED]),
        tts=ScriptedTts(usual=Speaking(fails=ProviderError("No.", stage="tts"))),
    )
    async with calling(house) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert [one.stage for one in call.all(wire.ErrorOut)] == ["llm", "tts"]
        assert not call.all(wire.AudioStart)


async def test_a_text_turn_that_fails_is_an_error_and_no_sound() -> None:
    async with calling(House(llm=ScriptedLlm([[REFUSED]]))) as call:
        await call.send(wire.TextIn("Hello", wants_audio=False))
        await call.until(wire.Metrics)
        assert call.one(wire.ErrorOut).code == "provider_unavailable"
        assert not call.all(wire.AudioStart)


async def test_turns_wait_for_models_that_are_loading() -> None:
    house = House(
        stt=ScriptedStt(warm_s=4.0), llm=ScriptedLlm(warm_s=6.0), tts=ScriptedTts(warm_s=5.0), policy=FAST
    )
    async with calling(house) as call:
        await call.say("Hello", then_quiet_ms=5_000)
        assert call.one(wire.TranscriptionOut).text == "Hello"
        await call.until(wire.Metrics)
        assert not call.all(wire.ErrorOut)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        statuses = [one.status for one in call.all(wire.Status)]
    assert statuses[:2] == [StatusKind.WARMING, StatusKind.LISTENING]
    ready = statuses.index(StatusKind.READY)
    assert call.when(wire.Status, ready) == pytest.approx(6_000, abs=1)
    assert statuses[ready + 1] is StatusKind.PROCESSING  # what it had been doing
    assert call.when(wire.AiResponse) == pytest.approx(6_000, abs=1)


async def test_an_operators_mistake_is_told_at_once_and_with_every_turn() -> None:
    missing = ConfigurationError("The model file is missing; run `voice-server models pull`.")
    async with calling(House(stt=ScriptedStt(warm_error=missing))) as call:
        error = await call.until(wire.ErrorOut)
        assert (error.code, error.message) == ("configuration", missing.message)
        assert StatusKind.READY not in [one.status for one in call.all(wire.Status)]
        await call.say("Hello")
        await call.until(wire.Metrics)
        assert call.all(wire.ErrorOut)[1].message == missing.message
        assert call.tts.spoken == [NOT_HEARD]


async def test_more_recordings_than_may_wait_are_refused() -> None:
    """Each is held in memory until its turn begins, decoded, and some of them are small on the wire."""
    house = House(stt=ScriptedStt(usual=Listening(final_s=1.0)), limits=SessionLimits(clips_waiting=2))
    one = wire.Clip(wav(speak("One")))
    async with calling(house) as call:
        await call.send(one, one)
        await call.pass_ms(10)
        with pytest.raises(LimitError, match="2"):
            await call.send(one)
        await call.until(wire.TranscriptionOut, 2)
        await call.send(one)
        await call.until(wire.TranscriptionOut, 3)


async def test_a_noise_that_cannot_be_heard_for_a_failure_cuts_nothing_else() -> None:
    """A failed utterance is a turn of its own; the one before it is remembered as far as it was heard."""
    house = House(
        stt=ScriptedStt([Listening(fails=ProviderError("No.", stage="stt"))]),
        llm=ScriptedLlm([["One two three four five six seven eight nine ten."]]),
    )
    async with calling(house) as call:
        await call.send(wire.TextIn("Count"))
        await call.pass_ms(1_000)
        await call.stream(cough(150) + quiet(1_000))
        await call.until(wire.Metrics, 2)
        await call.pass_ms(5_000)
        assert len(call.all(wire.Interrupted)) == 1
        assert call.history[-1][1] == call.one(wire.Interrupted).heard_text
