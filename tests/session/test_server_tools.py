"""The model calls a tool of the server's."""

import json

import pytest

from tests.fakes.scripted import ScriptedLlm, ScriptedTts
from tests.fakes.tools import ScriptedTool, Tools
from tests.session.rig import VAD, Call, House, calling, wav
from tests.session.test_languages import ANNA, german_too
from voice_server.core import commands as do
from voice_server.core import wire
from voice_server.core.caller import Caller, Tier
from voice_server.core.sentences import Sentence, sentences_in
from voice_server.errors import ToolError
from voice_server.fakes.spoken import speak
from voice_server.providers.base import LlmCapabilities, ToolUse
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.limits import Deadlines, SessionLimits
from voice_server.tools.base import Tool
from voice_server.tools.box import ToolBox, ToolRules

pytestmark = pytest.mark.session

CLOCK = wire.ToolSpec("clock", "Tells the time.", {"type": "object", "properties": {}})
BRIDGED = SessionLimits(tool_bridge_ms=1_500)


def house(
    *tools: Tool,
    uses: tuple[ToolUse, ...] = (ToolUse("c1", "dice", "{}"),),
    before: str = "",
    rules: ToolRules | None = None,
    limits: SessionLimits | None = None,
    most_bytes: int = 16_384,
    tts: ScriptedTts | None = None,
) -> House:
    llm = ScriptedLlm([[before, *uses] if before else [*uses], ["It is a six."]])
    box = ToolBox([Tools(*tools)], rules, most_bytes)
    return House(llm=llm, tools=box, limits=limits or SessionLimits(), tts=tts or ScriptedTts())


def answers(call: Call) -> list[str]:
    """What the model was told last."""
    return [one.content for one in call.llm.requests[-1].messages if one.role == "tool"]


def error(call: Call) -> str:
    (answer,) = answers(call)
    sentence: str = json.loads(answer)["error"]
    return sentence


async def asked(call: Call) -> None:
    await call.send(wire.TextIn("Throw a dice"))
    await call.until(wire.Metrics)


async def test_its_answer_goes_into_the_reply_and_the_client_is_not_asked() -> None:
    dice = ScriptedTool("dice", "six")
    async with calling(house(dice, uses=(ToolUse("c1", "dice", '{"sides": 6}'),))) as call:
        assert call.session.config["tools"] == {"supported": True, "names": ["dice"]}
        await asked(call)
        assert call.one(wire.AiResponse).text == "It is a six."
        assert not call.all(wire.ToolCall) and not call.all(wire.ErrorOut)
        assert [tool.name for tool in call.llm.requests[0].tools] == ["dice"]
    assert dice.calls == [{"sides": 6}]
    assert answers(call) == ["six"]


async def test_calls_of_one_pass_run_side_by_side_with_the_client_s() -> None:
    slow, slower = ScriptedTool("dice", "six", seconds=2), ScriptedTool("coin", "heads", seconds=3)
    uses = (ToolUse("c1", "dice", "{}"), ToolUse("c2", "clock", "{}"), ToolUse("c3", "coin", "{}"))
    async with calling(house(slow, slower, uses=uses), wire.Changes(tools=(CLOCK,))) as call:
        assert call.session.config["tools"]["names"] == ["dice", "coin", "clock"]
        await call.send(wire.TextIn("Everything at once"))
        assert (await call.until(wire.ToolCall)).name == "clock"
        await call.send(wire.ToolResult("c2", "noon"))
        await call.until(wire.AiResponse)
        assert answers(call) == ["six", "noon", "heads"]
    assert call.when(wire.AiResponse) == pytest.approx(3_000, abs=1)


async def test_a_slow_tool_is_bridged_by_words_that_are_no_part_of_the_reply() -> None:
    async with calling(house(ScriptedTool("dice", seconds=12), limits=BRIDGED)) as call:
        await asked(call)
        await call.pass_ms(5_000)
        assert call.tts.spoken == ["One moment, please.", "I am still working on it.", "It is a six."]
        assert call.one(wire.AiResponse).text == "It is a six."
        assert call.history == [("user", "Throw a dice"), ("assistant", "It is a six.")]
        said = [one.text for _, one in call.journal.entries if isinstance(one, do.ServerSaid)]
        assert said == ["One moment, please.", "I am still working on it."]
    assert call.when(wire.AudioOut) == pytest.approx(1_500, abs=10)


@pytest.mark.parametrize("is_rendered", [True, False])
async def test_one_silence_is_broken_once_whoever_is_to_blame(is_rendered: bool) -> None:
    """A slow model, then a slow tool: each sentence begins the count anew, spoken or by heart."""
    voice, phrases = ScriptedTts(), Phrases()
    if is_rendered:
        await phrases.learn(ScriptedTts(), voice.capabilities.voices[0], sentences_in("en"))
    slow = House(
        llm=ScriptedLlm([[1.0, ToolUse("c1", "dice", "{}")], ["It is a six."]]),
        tts=voice,
        tools=ToolBox([Tools(ScriptedTool("dice", seconds=8.5))]),
        limits=BRIDGED,
        deadlines=Deadlines(silence_ms=3_000),
        phrases=phrases,
    )
    async with calling(slow) as call:
        await asked(call)
        begins, ends_ms = list[float](), 0.0
        for one in call.told:
            if isinstance(one.output, wire.AudioOut):
                if one.at_ms > ends_ms + 1:
                    begins.append(one.at_ms)
                ends_ms = max(ends_ms, one.at_ms) + one.output.duration_ms
        assert not call.all(wire.ErrorOut)
    bridged_ms, answered_ms = 1_000 + 1_500, 1_000 + 8_500
    again_ms = bridged_ms + 50 * len(Sentence.ONE_MOMENT.in_language("en")) + 3_000
    assert begins == pytest.approx([bridged_ms, again_ms, answered_ms], abs=20)
    assert (voice.spoken.count(Sentence.STILL_WORKING.in_language("en")) == 0) is is_rendered


async def test_nothing_is_said_over_what_the_model_said_itself() -> None:
    """The words before the call are still being heard."""
    tts = ScriptedTts(character_ms=200)
    bridged = house(ScriptedTool("dice", seconds=3), before="Let me throw it. ", limits=BRIDGED, tts=tts)
    async with calling(bridged) as call:
        await asked(call)
        assert tts.spoken == ["Let me throw it.", "It is a six."]


async def test_a_reply_without_sound_is_not_bridged() -> None:
    async with calling(house(ScriptedTool("dice", seconds=3), limits=BRIDGED)) as call:
        await call.send(wire.TextIn("Throw a dice", wants_audio=False))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "It is a six."
        assert call.tts.spoken == []


async def test_the_answer_to_a_recording_is_not_bridged() -> None:
    """Its caller may play it when it is whole."""
    async with calling(house(ScriptedTool("dice", seconds=3), limits=BRIDGED), opens_stream=False) as call:
        await call.send(wire.Clip(wav(speak("Throw a dice"))))
        await call.until(wire.Metrics)
        assert call.tts.spoken == ["It is a six."]


async def test_a_tool_of_the_server_s_that_comes_up_takes_the_place_of_the_client_s() -> None:
    """Not even a strict server breaks off for that."""
    source = Tools()
    coming = House(llm=ScriptedLlm([["Well."]]), tools=ToolBox([source]), strict=True)
    async with calling(coming, wire.Changes(tools=(CLOCK,))) as call:
        source.tools = (ScriptedTool("clock"),)
        await asked(call)
        assert [tool.description for tool in call.llm.requests[0].tools] == ["Does clock."]


async def test_a_bridge_is_in_the_language_of_the_session() -> None:
    german = german_too(
        llm=ScriptedLlm([[ToolUse("c1", "dice", "{}")], ["Eine Sechs."]]),
        tools=ToolBox([Tools(ScriptedTool("dice", seconds=2))]),
        limits=BRIDGED,
    )
    async with calling(german, wire.Changes(language_code="de-DE")) as call:
        await asked(call)
        assert call.tts.spoken == ["Einen Moment, bitte.", "Eine Sechs."]
        assert call.tts.voices == [ANNA]


async def test_a_cut_cancels_the_tool() -> None:
    dice = ScriptedTool("dice", seconds=20)
    async with calling(house(dice)) as call:
        await call.send(wire.TextIn("Throw a dice"))
        await call.pass_ms(1_000)
        await call.send(wire.Stop())
        await call.until(wire.Metrics)
        await call.pass_ms(30_000)
    assert dice.cancelled == 1
    assert len(call.llm.requests) == 1


@pytest.mark.parametrize(
    ("tool", "sentence"),
    [
        (ScriptedTool("dice", seconds=60), "The tool did not answer in time."),
        (ScriptedTool("dice", fails=ToolError("The dice is lost.")), "The dice is lost."),
        (ScriptedTool("dice", fails=ZeroDivisionError("secret")), "The tool failed."),
    ],
)
async def test_a_tool_that_fails_is_told_to_the_model_and_the_turn_goes_on(tool: Tool, sentence: str) -> None:
    async with calling(house(tool)) as call:
        await asked(call)
        assert error(call) == sentence
        assert call.one(wire.AiResponse).text == "It is a six."
        assert not call.all(wire.ErrorOut)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (ToolUse("c1", "dies", "{}"), "There is no tool of this name."),
        (ToolUse("c1", "dice", "{sides"), "The arguments are not JSON."),
        (ToolUse("c1", "dice", "[6]"), "The arguments are not a JSON object."),
    ],
)
async def test_a_call_that_makes_no_sense_is_told_to_the_model(use: ToolUse, sentence: str) -> None:
    dice = ScriptedTool("dice")
    async with calling(house(dice, uses=(use,))) as call:
        await asked(call)
        assert error(call) == sentence
        assert not call.all(wire.ToolCall)
    assert dice.calls == []


async def test_an_answer_that_is_too_long_is_cut_and_said_to_be() -> None:
    async with calling(house(ScriptedTool("dice", "é" * 100), most_bytes=51)) as call:
        await asked(call)
        (answer,) = answers(call)
        assert answer == "é" * 25 + "\n[cut: this is the beginning of an answer that was too long]"


async def test_a_model_that_fails_after_its_tool_ends_as_any_failure() -> None:
    failing = House(
        llm=ScriptedLlm([[ToolUse("c1", "dice", "{}")], [RuntimeError("gone")]]),
        tools=ToolBox([Tools(ScriptedTool("dice"))]),
    )
    async with calling(failing) as call:
        await asked(call)
        assert call.one(wire.ErrorOut).stage == "llm"
        assert call.tts.spoken == ["Sorry, I can't answer that just now. Please try again."]


@pytest.mark.parametrize(
    ("caller", "names"),
    [
        (Caller(), ["dice", "coin"]),
        (Caller("free", Tier.FREE), []),
        (Caller("basic", Tier.BASIC), ["coin"]),
        (Caller("pro", Tier.PRO), ["dice", "coin"]),
        (Caller("own", Tier.FREE, tools=("d*",)), ["dice"]),
    ],
)
async def test_who_may_use_what_is_a_matter_of_key_and_tier(caller: Caller, names: list[str]) -> None:
    rules = ToolRules(by_tier={Tier.FREE: (), Tier.BASIC: ("c*",)})
    dice = ScriptedTool("dice")
    async with calling(house(dice, ScriptedTool("coin"), rules=rules), caller=caller) as call:
        assert call.session.config["tools"]["names"] == names
        await asked(call)
        assert [tool.name for tool in call.llm.requests[0].tools] == names
        if "dice" not in names:
            assert error(call) == "There is no tool of this name."
    assert bool(dice.calls) is ("dice" in names)


async def test_a_session_may_be_narrowed_further_and_no_client_can_widen_it() -> None:
    dice = ScriptedTool("dice")
    async with calling(house(dice, ScriptedTool("coin")), wire.Changes(allowed_tools=("coin",))) as call:
        await call.send(wire.Configure(VAD))
        assert (await call.until(wire.Configured)).config["tools"]["names"] == ["coin"]
        await asked(call)
    assert dice.calls == []


async def test_a_client_cannot_put_itself_in_the_place_of_a_server_s_tool() -> None:
    own = wire.ToolSpec("dice", "Mine.", {})
    async with calling(house(ScriptedTool("dice", "six")), wire.Changes(tools=(own, CLOCK))) as call:
        config = (await call.until(wire.InitAck)).config
        assert config["tools"]["names"] == ["dice", "clock"]
        assert config["notes"] == ["tool 'dice' is one of the server's own: yours is ignored."]
        await asked(call)
        assert answers(call) == ["six"]
        assert not call.all(wire.ToolCall)


async def test_tools_that_come_and_go_are_offered_from_turn_to_turn() -> None:
    source = Tools()
    coming = House(llm=ScriptedLlm([["None yet."], ["One."]]), tools=ToolBox([source]))
    async with calling(coming) as call:
        await asked(call)
        source.tools = (ScriptedTool("dice"),)
        await call.send(wire.TextIn("And now?"))
        await call.until(wire.Metrics, 2)
        assert [[tool.name for tool in one.tools] for one in call.llm.requests] == [[], ["dice"]]


async def test_a_tool_that_went_away_during_the_reply_is_out_of_reach() -> None:
    source = Tools(ScriptedTool("dice"))
    going = House(llm=ScriptedLlm([[1.0, ToolUse("c1", "dice", "{}")], ["Sorry."]]), tools=ToolBox([source]))
    async with calling(going) as call:
        await call.send(wire.TextIn("Throw a dice"))
        await call.pass_ms(500)
        source.tools = ()
        await call.until(wire.Metrics)
        assert error(call) == "The tool is out of reach just now."


async def test_the_server_s_tools_are_kept_from_a_model_that_cannot_call_them() -> None:
    deaf = House(
        llm=ScriptedLlm(capabilities=LlmCapabilities(tools=False)),
        tools=ToolBox([Tools(ScriptedTool("dice"))]),
        strict=True,  # nobody asked for them, so there is nothing to refuse
    )
    async with calling(deaf) as call:
        config = (await call.until(wire.InitAck)).config
        assert config["tools"] == {"supported": False, "names": ["dice"]}
        assert config["notes"] == []
        await asked(call)
        assert call.llm.requests[0].tools == ()
