"""Work that starts early, and voices over a reply, with mind and mouth at work."""

import pytest

from tests.fakes.scripted import (
    Listening,
    ScriptedLlm,
    ScriptedScore,
    ScriptedStt,
    ScriptedTts,
    Speaking,
)
from tests.session.rig import VAD, Call, House, calling
from voice_server.core import wire
from voice_server.core.pauses import Pauses
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import EndReason
from voice_server.errors import ProviderUnavailable
from voice_server.fakes.spoken import quiet, speak
from voice_server.providers.base import ToolUse

pytestmark = pytest.mark.session

EAGER = TurnPolicy(early_starts=2)
SEMANTIC = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=wire.TurnMode.SEMANTIC))
STORY = " ".join(f"word{number:02}" for number in range(40)) + "."  # 14 s


def eager() -> House:
    """Words 100 ms after the voice, the model 300 ms later, the voice 150 ms after it."""
    return House(
        stt=ScriptedStt(usual=Listening(final_s=0.1)),
        llm=ScriptedLlm(usual=lambda request: [0.3, f"You said {request.messages[-1].content}."]),
        tts=ScriptedTts(usual=Speaking(first_s=0.15)),
        turns=EAGER,
    )


async def test_what_was_begun_early_is_there_when_the_turn_begins() -> None:
    async with calling(eager(), VAD) as call:
        await call.say("How are you", then_quiet_ms=1_500)
        metrics = await call.until(wire.Metrics)
        begun_ms = call.when(wire.TranscriptionOut)
        # The words came 200 ms into the wait of 500; without a head start the sound would take 450 ms more.
        assert call.when(wire.AudioOut) - begun_ms < 200
        assert len(call.llm.requests) == 1
        assert metrics.early_starts == wire.EarlyStarts(1, was_used=True, lead_ms=300)
        assert metrics.llm_first_clause_ms == 0
        assert call.history == [("user", "How are you"), ("assistant", "You said How are you.")]


async def test_who_served_a_reply_that_was_begun_early_is_told() -> None:
    house = eager()
    house.more_llms = [house.llm]
    house.llm = ScriptedLlm(
        usual=lambda _: [ProviderUnavailable("Out of capacity.", stage="llm")], name="refusing"
    )
    async with calling(house, VAD) as call:
        await call.say("How are you", then_quiet_ms=1_500)
        metrics = await call.until(wire.Metrics)
        assert metrics.early_starts == wire.EarlyStarts(1, was_used=True, lead_ms=300)
        assert metrics.providers["llm"] == "scripted/script-1"


async def test_what_was_begun_in_vain_leaves_no_trace() -> None:
    async with calling(eager(), VAD) as call:
        await call.stream(speak("I think ") + quiet(400) + speak("it rains"))
        await call.stream(quiet(1_500))
        metrics = await call.until(wire.Metrics)
        assert metrics.early_starts == wire.EarlyStarts(2, was_used=True, lead_ms=300)
        assert [request.messages[-1].content for request in call.llm.requests] == [
            "I think",
            "I think it rains",
        ]
        assert [one.text for one in call.all(wire.AiResponse)] == ["You said I think it rains."]
        assert call.llm.calls_open == 0
        assert call.history == [("user", "I think it rains"), ("assistant", "You said I think it rains.")]


async def test_a_tool_waits_for_the_turn() -> None:
    clock = wire.ToolSpec("clock", "Tells the time.", {"type": "object", "properties": {}})
    house = House(llm=ScriptedLlm([[ToolUse("c1", "clock", "{}")], ["Noon."]]), turns=EAGER)
    async with calling(house, wire.Changes(turn_detection=VAD.turn_detection, tools=(clock,))) as call:
        await call.say("What time is it", then_quiet_ms=1_000)
        await call.until(wire.ToolCall)
        assert call.when(wire.ToolCall) >= call.when(wire.TranscriptionOut)
        await call.send(wire.ToolResult("c1", "12:00"))
        assert (await call.until(wire.AiResponse)).text == "Noon."


async def telling(call: Call) -> None:
    await call.send(wire.TextIn("Tell me"))
    await call.until(wire.AudioOut)
    await call.pass_ms(2_000)


def story() -> House:
    return House(
        llm=ScriptedLlm([[STORY]]),
        tts=ScriptedTts(chunk_ms=60_000),
        stt=ScriptedStt(usual=Listening(final_s=0.2), partial_every_ms=400, partial_s=0.2),
        score=ScriptedScore(),
    )


async def test_a_nod_lets_the_reply_go_on_where_it_was() -> None:
    async with calling(story(), SEMANTIC) as call:
        await telling(call)
        await call.stream(speak("Uh huh"))
        await call.stream(quiet(3_000))
        assert [one.is_active for one in call.all(wire.OverlapOut)] == [True, False]
        assert not call.all(wire.Interrupted) and not call.all(wire.TranscriptionOut)
        await call.until(wire.AudioEnd)
        assert call.one(wire.AudioEnd).reason is EndReason.COMPLETED
        indices = [one.index for one in call.all(wire.AudioOut)]
        assert indices == list(range(len(indices))), "nothing is missing of the reply, nothing doubled"
        await call.pass_ms(3_000)
        assert call.history == [("user", "Tell me"), ("assistant", STORY)]


async def test_while_a_voice_is_weighed_nothing_is_sent() -> None:
    async with calling(story(), SEMANTIC) as call:
        await telling(call)
        began_ms = call.now_ms
        await call.stream(speak("Hold on now"))
        await call.stream(quiet(200))
        cut_ms = call.when(wire.Interrupted)
        sent = [one.at_ms for one in call.told if isinstance(one.output, wire.AudioOut)]
        assert max(sent) <= began_ms + 120
        assert began_ms + 240 < cut_ms < began_ms + 800


async def test_a_voice_that_ended_with_its_stream_is_compared_no_more() -> None:
    async with calling(story(), SEMANTIC) as call:
        await telling(call)
        await call.stream(speak("Uh huh"))
        await call.send(wire.StreamEnd(), wire.StreamStart())
        compared: list[bytes] = []

        def note(voice: bytes, ended_ms_ago: float) -> float:
            compared.append(voice)
            return 0.0

        call.session._ears._likeness = note
        await call.stream(quiet(1_000))
        assert not compared


async def test_how_a_caller_pauses_is_known_in_the_next_session() -> None:
    house = House()
    async with calling(house) as call:
        for _ in range(6):
            await call.stream(speak("I think ") + quiet(300) + speak("so") + quiet(900))
            await call.until(wire.Metrics)
    known = house.habits.pauses("local", "local")
    assert isinstance(known, Pauses) and known.usual_ms is not None
    assert 280 <= known.usual_ms <= 330
