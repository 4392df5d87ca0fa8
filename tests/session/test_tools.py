"""The model asks the client to run a tool."""

import json

import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.session.rig import VAD, House, calling
from voice_server.core import wire
from voice_server.providers.base import LlmCapabilities, ToolUse

pytestmark = pytest.mark.session

CLOCK = wire.ToolSpec("clock", "Tells the time.", {"type": "object", "properties": {}})
TOOLS = wire.Changes(turn_detection=VAD.turn_detection, tools=(CLOCK,))


def asking(*uses: ToolUse) -> House:
    return House(llm=ScriptedLlm([["Let me see. ", *uses], ["It is noon."]]))


async def test_the_answer_of_a_tool_goes_into_the_one_reply() -> None:
    async with calling(asking(ToolUse("c1", "clock", '{"zone": "CET"}')), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        wish = await call.until(wire.ToolCall)
        assert (wish.call_id, wish.name, wish.arguments) == ("c1", "clock", '{"zone": "CET"}')
        await call.pass_ms(3_000)
        await call.send(wire.ToolResult("c1", "12:00"))
        metrics = await call.until(wire.Metrics)
        assert wish.turn_id == metrics.turn_id
        assert call.one(wire.AiResponse).text == "Let me see. It is noon."
        assert sum(one.is_final for one in call.all(wire.MessageChunk)) == 1
        first, second = call.llm.requests
        assert [tool.name for tool in first.tools] == ["clock"]
        assert (
            second.messages[-2].tool_uses[0].call_id == "c1" and second.messages[-2].content == "Let me see. "
        )
        assert (second.messages[-1].role, second.messages[-1].content) == ("tool", "12:00")
        assert call.tts.spoken[0] == "Let me see."
    assert call.when(wire.AudioOut) < 100  # spoken while the tool works


async def test_a_tool_that_fails_is_told_to_the_model() -> None:
    async with calling(asking(ToolUse("c1", "clock", "{}")), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        await call.until(wire.ToolCall)
        await call.send(wire.ToolResult("c1", "no battery", is_error=True))
        await call.until(wire.Metrics)
        assert json.loads(call.llm.requests[1].messages[-1].content) == {"error": "no battery"}


async def test_a_tool_that_does_not_answer_counts_as_failed() -> None:
    async with calling(asking(ToolUse("c1", "clock", "{}")), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        await call.until(wire.Metrics)
        assert "error" in json.loads(call.llm.requests[1].messages[-1].content)
        assert call.one(wire.AiResponse).text == "Let me see. It is noon."
    assert call.when(wire.AiResponse) == pytest.approx(30_000, abs=1)


async def test_two_calls_that_the_model_gives_one_id_are_told_apart() -> None:
    uses = (ToolUse("0", "clock", '{"zone": "CET"}'), ToolUse("0", "clock", '{"zone": "PST"}'))
    async with calling(asking(*uses), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        await call.until(wire.ToolCall, 2)
        first, second = call.all(wire.ToolCall)
        await call.send(wire.ToolResult(first.call_id, "12:00"), wire.ToolResult(second.call_id, "3:00"))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "Let me see. It is noon."
        asked, *answers = call.llm.requests[1].messages[-3:]
        assert [one.call_id for one in asked.tool_uses] == [one.call_id for one in answers]
        assert [one.content for one in answers] == ["12:00", "3:00"]


async def test_a_result_after_the_cut_is_ignored() -> None:
    async with calling(asking(ToolUse("c1", "clock", "{}")), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        await call.until(wire.ToolCall)
        await call.send(wire.Stop(), wire.ToolResult("c1", "12:00"))
        await call.pass_ms(40_000)
        assert len(call.llm.requests) == 1
        assert not call.all(wire.AiResponse)
        await call.send(wire.ToolResult("c1", "12:00"), wire.ToolResult("unheard of", "1"))
        assert not call.all(wire.ErrorOut)


async def test_several_tools_and_rounds_make_one_reply() -> None:
    llm = ScriptedLlm(
        [
            [ToolUse("c1", "clock", "{}"), ToolUse("c2", "clock", "{}")],
            ["So far, so good. ", ToolUse("c3", "clock", "{}")],
            ["Done."],
        ]
    )
    async with calling(House(llm=llm), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        for number in (1, 2, 3):
            wish = await call.until(wire.ToolCall, number)
            await call.send(wire.ToolResult(wish.call_id, str(number)))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "So far, so good. Done."
        answers = [one for one in llm.requests[-1].messages if one.role == "tool"]
        assert [(one.call_id, one.content) for one in answers] == [("c1", "1"), ("c2", "2"), ("c3", "3")]


async def test_a_model_that_only_calls_tools_is_stopped() -> None:
    llm = ScriptedLlm(usual=lambda request: [ToolUse(f"c{len(request.messages)}", "clock", "{}")])
    async with calling(House(llm=llm), TOOLS) as call:
        await call.send(wire.TextIn("What time is it"))
        while not call.all(wire.Metrics):
            for wish in call.all(wire.ToolCall):
                await call.send(wire.ToolResult(wish.call_id, "again"))
            await call.pass_ms(10)
        assert call.one(wire.ErrorOut).stage == "llm"
        assert len(llm.requests) == 8


async def test_tools_are_kept_from_a_model_that_cannot_call_them() -> None:
    house = House(llm=ScriptedLlm(capabilities=LlmCapabilities(tools=False)))
    async with calling(house, TOOLS) as call:
        config = (await call.until(wire.InitAck)).config
        assert config["tools"] == {"supported": False, "names": ["clock"]}
        assert "cannot call tools" in config["notes"][0]
        await call.send(wire.TextIn("What time is it"))
        await call.until(wire.Metrics)
        assert call.llm.requests[0].tools == ()
