"""A session ends: because somebody says so, for want of frames, of old age."""

import pytest

from tests.fakes.scripted import HANG, Listening, ScriptedLlm, ScriptedStt, ScriptedTts, Speaking
from tests.session.rig import House, calling
from voice_server.core import wire
from voice_server.fakes.spoken import speak
from voice_server.session.limits import SessionLimits

pytestmark = pytest.mark.session

STORY = "a story " * 50


async def test_the_caller_hangs_up_in_the_middle_of_a_reply() -> None:
    async with calling(House(llm=ScriptedLlm([[STORY]]))) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(1_000)
        await call.send(wire.End())
        await call.pass_ms(10)
        assert call.outputs[-1] == wire.SessionEnded("ended")
        assert (call.registry.count, call.tts.replies_open) == (0, 0)
        await call.send(wire.TextIn("Anyone"))  # nobody is there
        assert call.outputs[-1] == wire.SessionEnded("ended")


@pytest.mark.parametrize("stage", ["stt", "llm", "tts", "warm"])
async def test_ending_waits_for_no_provider(stage: str) -> None:
    house = House(
        stt=ScriptedStt(usual=Listening(final_s=HANG if stage == "stt" else 0.0)),
        llm=ScriptedLlm(usual=lambda _: [HANG] if stage == "llm" else ["Hello."]),
        tts=ScriptedTts(
            usual=Speaking(first_s=HANG if stage == "tts" else 0.0), warm_s=60.0 if stage == "warm" else 0.0
        ),
    )
    async with calling(house) as call:
        await call.stream(speak("Hello"))
        await call.send(wire.StreamEnd())
        await call.pass_ms(500)
        await call.send(wire.End())
        await call.pass_ms(10)
        assert call.registry.count == 0
        assert (house.stt.streams_open, house.llm.calls_open, house.tts.replies_open) == (0, 0, 0)
        if house.tts._warming is not None:
            house.tts._warming.cancel()


async def test_a_fault_of_ours_is_told_and_leaves_nothing_running() -> None:
    async def break_down() -> None:
        raise KeyError("a bug")

    async with calling() as call:
        await call.stream(speak("Hello"))  # from here on a stream that stalls counts as silence
        call.session._spawn(break_down(), "bug")
        await call.pass_ms(10)
        position_ms = call.session._ears.position_ms
        await call.pass_ms(5_000)
        assert call.session._ears.position_ms == position_ms
        error, ended = call.outputs[-2:]
        assert isinstance(error, wire.ErrorOut) and (error.code, error.stage) == (
            "internal_error",
            "internal",
        )
        assert ended == wire.SessionEnded("failed")
        assert call.registry.count == 0


async def test_silence_of_the_client_ends_the_session_after_a_warning() -> None:
    async with calling() as call:
        await call.until(wire.SessionEnded)
    warning = call.one(wire.ErrorOut)
    assert (warning.code, warning.stage) == ("session_ending", "limit") and "30 s" in warning.message
    assert call.when(wire.ErrorOut) == pytest.approx(90_000, abs=2)
    assert call.when(wire.SessionEnded) == pytest.approx(120_000, abs=2)
    assert call.one(wire.SessionEnded).reason == "idle"


async def test_a_sign_of_life_puts_the_end_off() -> None:
    async with calling() as call:
        await call.pass_ms(100_000)
        assert len(call.all(wire.ErrorOut)) == 1
        await call.send(wire.Ping("here"))
        assert (await call.until(wire.Pong)).timestamp == "here"
        await call.pass_ms(80_000)
        assert len(call.all(wire.ErrorOut)) == 1
        await call.until(wire.SessionEnded)
    assert call.when(wire.SessionEnded) == pytest.approx(220_000, abs=2)
    assert len(call.all(wire.ErrorOut)) == 2


async def test_old_age_ends_even_a_lively_session() -> None:
    limits = SessionLimits(longest_ms=100_000)
    async with calling(House(limits=limits)) as call:
        for _ in range(11):
            await call.send(wire.Ping())
            await call.pass_ms(9_999)
        assert call.one(wire.SessionEnded).reason == "too_old"
        assert call.when(wire.ErrorOut) == pytest.approx(70_000, abs=2)
        assert call.when(wire.SessionEnded) == pytest.approx(100_000, abs=2)


async def test_draining_lets_a_turn_finish() -> None:
    async with calling(House(llm=ScriptedLlm([["One two three."]]))) as call:
        await call.send(wire.TextIn("Count"))
        await call.registry.drain(10)
        assert call.one(wire.AudioEnd).reason is wire.EndReason.COMPLETED
        await call.until(wire.SessionEnded)
    assert call.one(wire.SessionEnded).reason == "server_going_away"
    assert call.now_ms < 1_000


async def test_draining_does_not_wait_for_ever() -> None:
    async with calling(House(llm=ScriptedLlm([[HANG]]))) as call:
        await call.send(wire.TextIn("Count"))
        await call.registry.drain(3)
        assert call.now_ms == pytest.approx(3_000, abs=51)
        assert call.registry.count == 0
