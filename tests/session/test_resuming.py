"""The connection drops and comes back."""

import pytest

from tests.fakes.scripted import Listening, ScriptedLlm, ScriptedStt, spread
from tests.session.rig import Call, House, calling
from voice_server.core import wire
from voice_server.core.wire import EndReason
from voice_server.errors import ProtocolError
from voice_server.fakes.spoken import speak
from voice_server.session.limits import SessionLimits

pytestmark = pytest.mark.session

STORY = " ".join(f"word{number:02}" for number in range(40)) + "."  # 280 characters, 14 s


def everything(call: Call, seen: int) -> list[wire.Output]:
    """What the caller has in the end, who saw the first line's messages up to `seen`."""
    first = [one for one in call.lines[0].told if one.seq <= seen]
    both = first + call.told
    assert [one.seq for one in both] == list(range(1, len(both) + 1))
    return [one.output for one in both]


@pytest.mark.parametrize("lost", [0, 1, 7])
@pytest.mark.parametrize("away_ms", [0, 400, 5_000, 29_000])
async def test_a_drop_in_the_middle_of_a_reply_loses_and_doubles_nothing(lost: int, away_ms: float) -> None:
    house = House(llm=ScriptedLlm([spread(STORY, 0.2)]))
    async with calling(house) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(5_000)
        seen = call.told[-1].seq - lost
        call.drop()
        await call.pass_ms(away_ms)
        assert call.call_again(seen)
        await call.until(wire.AudioEnd)
        await call.pass_ms(3_000)
        outputs = everything(call, seen)
    audio = [one for one in outputs if isinstance(one, wire.AudioOut)]
    assert [one.index for one in audio] == list(range(len(audio)))
    end = next(one for one in outputs if isinstance(one, wire.AudioEnd))
    assert end.reason is EndReason.COMPLETED
    assert end.duration_ms == pytest.approx(len(STORY) * 50, abs=100)
    assert call.history[-1] == ("assistant", STORY)


async def test_while_nobody_listens_nothing_is_heard() -> None:
    async with calling(House(llm=ScriptedLlm([[STORY]]))) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.until(wire.AudioOut)
        await call.pass_ms(2_000)
        call.drop()
        await call.pass_ms(20_000)
        assert call.call_again(call.told[-1].seq)
        await call.pass_ms(500)
        await call.send(wire.Stop())
        cut = await call.until(wire.Interrupted)
        assert cut.heard_ms == pytest.approx(2_500, abs=1)


async def test_audio_that_did_not_arrive_was_not_heard() -> None:
    async with calling(House(llm=ScriptedLlm([[STORY]]))) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.until(wire.AudioOut)
        seen = call.told[-1].seq
        await call.pass_ms(5_000)
        call.drop()
        arrived = [one.output for one in call.told if one.seq <= seen]
        assert call.call_again(seen)
        await call.send(wire.Stop())
        cut = await call.until(wire.Interrupted)
        arrived_ms = sum(one.duration_ms for one in arrived if isinstance(one, wire.AudioOut))
        assert 0 < cut.heard_ms == pytest.approx(arrived_ms)


async def test_what_was_said_before_the_drop_is_answered_after_it() -> None:
    stt = ScriptedStt(usual=Listening(final_s=1.0))
    async with calling(House(stt=stt, llm=ScriptedLlm([[STORY]]))) as call:
        await call.stream(speak("Hello"))
        seen = call.told[-1].seq
        call.drop()
        await call.pass_ms(10_000)
        assert [one.content for one in call.llm.requests[0].messages] == ["Be brief.", "Hello"]
        assert call.call_again(seen)
        await call.until(wire.AudioOut)
        await call.pass_ms(1_000)
        await call.send(wire.Stop())
        cut = await call.until(wire.Interrupted)
        assert cut.heard_ms == pytest.approx(1_000, abs=1)  # not the ten seconds away


async def test_the_input_stream_is_to_be_opened_again_and_positions_go_on() -> None:
    async with calling() as call:
        await call.stream(bytes(32_000))
        call.drop()
        assert call.call_again(call.told[-1].seq)
        with pytest.raises(ProtocolError) as refused:
            await call.send(wire.AudioIn(bytes(640)))
        assert refused.value.code == "no_stream"
        await call.send(wire.AudioIn(bytes(640)))  # told once
        await call.send(wire.StreamStart())
        await call.say("Hello")
        assert (await call.until(wire.SpeechStartedOut)).at_ms == pytest.approx(1_000, abs=32)


async def test_a_second_drop_and_a_second_token() -> None:
    async with calling(House(llm=ScriptedLlm([[STORY]]))) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(1_000)
        old_token, seen = call.session.resume_token, call.told[-1].seq
        call.drop()
        assert call.call_again(seen)
        await call.pass_ms(1_000)
        call.drop()
        assert not call.call_again(seen, old_token)
        assert call.call_again(seen)


@pytest.mark.parametrize("beyond", [1, 1_000])
async def test_nobody_resumes_from_what_was_never_sent(beyond: int) -> None:
    async with calling() as call:
        call.drop()
        assert not call.call_again(call.session.outbox.last_seq + beyond)


async def test_a_wrong_token_resumes_nothing() -> None:
    async with calling() as call:
        call.drop()
        assert not call.call_again(1, "guessed")
        assert call.registry.count == 1


async def test_a_resume_takes_over_from_a_line_that_is_still_up() -> None:
    async with calling(House(llm=ScriptedLlm([[STORY]]))) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(1_000)
        old = call.line
        seen = old.told[-1].seq
        assert call.call_again(seen)
        assert [code for code, _ in old.closed] == [1001]
        await call.until(wire.Metrics)
        everything(call, seen)
        call.session.detach(old)  # it notices late
        await call.pass_ms(40_000)
        assert not call.session.is_over


async def test_a_session_left_alone_ends() -> None:
    async with calling() as call:
        call.drop()
        await call.pass_ms(29_900)
        assert call.registry.count == 1
        await call.pass_ms(200)
        assert call.registry.count == 0
        assert call.session.end_reason == "disconnected"
        assert not call.call_again(1)


async def test_more_than_is_kept_cannot_be_resumed() -> None:
    limits = SessionLimits(replay_bytes=50_000)
    async with calling(House(llm=ScriptedLlm([[STORY]]), limits=limits)) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(6_000)
        last = call.told[-1].seq
        call.drop()
        assert not call.call_again(1)
        assert call.call_again(last)


async def test_a_line_that_goes_after_the_end_is_no_matter() -> None:
    async with calling() as call:
        await call.send(wire.End())
        await call.until(wire.SessionEnded)
        call.drop()
        await call.pass_ms(10)
        assert call.registry.count == 0
