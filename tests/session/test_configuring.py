"""What a caller may choose, at the beginning and between turns."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.fakes.scripted import ScriptedLlm, spread
from tests.session.rig import VAD, Call, House, calling, wav
from voice_server.core import wire
from voice_server.core.wire import Changes, TurnDetectionChanges, TurnMode
from voice_server.errors import NotFoundError, ProtocolError
from voice_server.fakes.spoken import quiet, speak
from voice_server.ids import ConversationId

pytestmark = pytest.mark.session


async def test_settings_hold_from_the_next_turn_on() -> None:
    async with calling() as call:
        await call.say("One", then_quiet_ms=3_000)
        before = call.one(wire.InitAck).config
        wish = Changes(
            system_prompt="Be loud.",
            turn_detection=TurnDetectionChanges(silence_ms=1_000),
            output_audio=wire.OutputAudioChanges(format="mulaw"),
        )
        await call.send(wire.Configure(wish))
        config = (await call.until(wire.Configured)).config
        assert config["turn_detection"] == before["turn_detection"] | {"silence_ms": 1_000}
        assert config["output_audio"] == {"format": "mulaw", "sample_rate": 8_000, "transport": "json"}
        await call.say("Two", then_quiet_ms=1_500)
        await call.until(wire.Metrics, 2)
        assert [one.messages[0].content for one in call.llm.requests] == ["Be brief.", "Be loud."]
        assert [one.format for one in call.all(wire.AudioStart)] == ["wav", "mulaw"]
        first, second = call.all(wire.Metrics)
        assert first.endpoint_ms is not None and second.endpoint_ms is not None
        assert second.endpoint_ms - first.endpoint_ms == pytest.approx(500, abs=40)


async def test_from_voice_to_button_and_back() -> None:
    async with calling() as call:
        await call.send(wire.Configure(Changes(turn_detection=TurnDetectionChanges(mode=TurnMode.MANUAL))))
        await call.say("One", then_quiet_ms=2_000)
        assert not call.all(wire.TranscriptionOut)
        await call.send(wire.AudioCommit())
        assert (await call.until(wire.TranscriptionOut)).text == "One"
        await call.send(wire.Configure(Changes(turn_detection=TurnDetectionChanges(mode=TurnMode.VAD))))
        await call.say("Two")
        assert (await call.until(wire.TranscriptionOut, 2)).text == "Two"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (Changes(model="gpt-4o"), "model 'gpt-4o' is not configured: 'script-1' answers."),
        (Changes(stt_provider="openai"), "stt_provider 'openai' is not configured: 'scripted' serves."),
        (Changes(tts_provider="openai"), "tts_provider 'openai' is not configured: 'scripted' serves."),
        (Changes(tts_voice="alloy"), "voice 'alloy' is not configured: 'tone' speaks."),
    ],
)
async def test_what_is_not_configured_is_served_by_the_default_and_told(changes: Changes, note: str) -> None:
    async with calling(changes=changes, opens_stream=False) as call:
        assert (await call.until(wire.InitAck)).config["notes"] == [note]
        await call.send(wire.TextIn("Hello"))
        metrics = await call.until(wire.Metrics)
        assert metrics.providers["llm"] == "scripted/script-1"
        await call.send(wire.Configure(VAD))
        assert (await call.until(wire.Configured)).config["notes"] == []


async def test_a_strict_server_refuses_it_instead() -> None:
    with pytest.raises(ProtocolError) as refused:
        async with calling(House(strict=True), Changes(model="gpt-4o")):
            pass
    assert (refused.value.code, refused.value.message) == (
        "not_configured",
        "Model 'gpt-4o' is not configured: 'script-1' answers.",
    )


async def test_a_strict_server_keeps_its_settings_when_it_refuses() -> None:
    async with calling(House(strict=True), VAD) as call:
        for wish in (
            wire.Configure(Changes(stt_provider="openai", system_prompt="Be loud.")),
            wire.TextIn("Hello", model="gpt-4o"),
            wire.StreamStart(wire.InputAudioChanges(format="flac")),
        ):
            with pytest.raises(ProtocolError):
                await call.send(wish)
        await call.say("Hello")
        await call.until(wire.Metrics)
        assert call.llm.requests[0].messages[0].content == "Be brief."
        assert not call.all(wire.Configured)


async def test_a_recording_may_choose_for_itself_only() -> None:
    other = ScriptedLlm(model="script-2")
    house = House(more_llms=[other])
    async with calling(house, opens_stream=False) as call:
        await call.send(wire.Clip(wav(speak("One")), changes=Changes(model="script-2")))
        assert (await call.until(wire.Metrics)).providers["llm"] == "scripted/script-2"
        await call.send(wire.Clip(wav(speak("Two"))))
        assert (await call.until(wire.Metrics, 2)).providers["llm"] == "scripted/script-1"


async def test_a_second_beginning_changes_nothing() -> None:
    async with calling() as call:
        config = call.session.config
        with pytest.raises(ProtocolError) as refused:
            await call.send(wire.Init(changes=Changes(system_prompt="Be loud.")))
        assert refused.value.code == "already_initialised"
        assert call.session.config == config


@dataclass(frozen=True, slots=True)
class Rendered:
    system_prompt: str
    tools: tuple[str, ...] | None = None


class OneTemplate:
    """Knows `pirate`, which needs a name."""

    async def render(self, owner: str, name: str, variables: Mapping[str, str]) -> Rendered:
        if name != "pirate":
            raise NotFoundError(f"There is no template '{name}'.")
        if "name" not in variables:
            raise ProtocolError("The template 'pirate' needs the variable 'name'.", code="missing_variable")
        return Rendered(f"You are {variables['name']}, a pirate of {owner}'s.")


def pirate(**variables: str) -> Changes:
    return Changes(template=wire.TemplateChoice("pirate", variables))


def prompts(call: Call) -> list[str]:
    return [one.messages[0].content for one in call.llm.requests]


async def test_a_change_from_outside_holds_from_the_next_turn_on() -> None:
    llm = ScriptedLlm([spread("One two three four five six", 0.2)])
    async with calling(House(llm=llm, templates=OneTemplate()), opens_stream=False) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.MessageChunk, 2)
        owner, here = call.session.caller.owner, call.session.conversation_id
        await call.registry.change("somebody", here, pirate(name="Eve"))
        await call.registry.change(owner, "conv_other", pirate(name="Eve"))
        await call.registry.change(owner, here, pirate(name="Jack"))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "One two three four five six"
        await call.send(wire.TextIn("And now"))
        await call.until(wire.Metrics, 2)
        assert prompts(call) == ["Be brief.", "You are Jack, a pirate of local's."]
        assert not call.all(wire.Configured)


@pytest.mark.parametrize(
    ("first", "change"),
    [
        (TurnMode.VAD, TurnDetectionChanges(threshold=0.6)),
        (TurnMode.VAD, TurnDetectionChanges(mode=TurnMode.MANUAL)),
        (TurnMode.MANUAL, TurnDetectionChanges(mode=TurnMode.VAD)),
    ],
)
async def test_a_change_at_the_end_of_a_voice_does_not_keep_the_turn_from_ending(
    first: TurnMode, change: TurnDetectionChanges
) -> None:
    async with calling(changes=Changes(turn_detection=TurnDetectionChanges(mode=first))) as call:
        await call.stream(speak("Hello"))
        await call.send(wire.Configure(Changes(turn_detection=change)))
        await call.stream(quiet(2_000))
        assert call.one(wire.TranscriptionOut).text == "Hello"


async def test_a_change_that_comes_too_late_is_no_error() -> None:
    class Slow(OneTemplate):
        async def render(self, owner: str, name: str, variables: Mapping[str, str]) -> Rendered:
            await asyncio.sleep(1)
            return await super().render(owner, name, variables)

    async with calling(House(templates=Slow()), opens_stream=False) as call:
        changing = asyncio.create_task(call.send(wire.Configure(pirate(name="Jack"))))
        await call.pass_ms(500)
        await call.send(wire.End())
        await changing
        assert call.outputs[-1] == wire.SessionEnded("ended")


async def test_a_change_from_outside_that_cannot_be_granted_is_told() -> None:
    async with calling(House(strict=True), opens_stream=False) as call:
        await call.registry.change(
            call.session.caller.owner, call.session.conversation_id, Changes(model="gpt-4o")
        )
        assert (await call.until(wire.ErrorOut)).code == "not_configured"
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)


async def test_the_conversations_own_wishes_come_first_and_the_callers_over_them() -> None:
    house = House(templates=OneTemplate(), more_llms=[ScriptedLlm(model="script-2")])
    house.knows("conv_1")
    house.journal.wishes[ConversationId("conv_1")] = Changes(
        model="script-2", template=wire.TemplateChoice("pirate", {"name": "Jack"})
    )
    changes = Changes(model="gpt-4o")
    async with calling(house, changes, conversation_id="conv_1", opens_stream=False) as call:
        config = (await call.until(wire.InitAck)).config
        assert config["model"] == "script-2"  # what the caller wished for is not there
        assert config["notes"] == ["model 'gpt-4o' is not configured: 'script-2' answers."]
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert house.more_llms[0].requests[0].messages[0].content == "You are Jack, a pirate of local's."


async def test_who_joins_a_conversation_takes_over_its_prompt() -> None:
    house = House(templates=OneTemplate())
    for number, template in ((7, "pirate"), (8, "gone")):
        house.knows(f"conv_{number}")
        house.journal.wishes[ConversationId(f"conv_{number}")] = Changes(
            template=wire.TemplateChoice(template, {"name": "Anne"})
        )
    async with calling(house, opens_stream=False) as call:
        await call.send(wire.TextIn("Hello", conversation_id="conv_7"))
        await call.until(wire.Metrics)
        await call.send(wire.TextIn("Hello", conversation_id="conv_8"))
        await call.until(wire.Metrics, 2)
        await call.send(wire.Configure(Changes(system_prompt="Be loud.")))
        await call.send(wire.TextIn("Hello", conversation_id="conv_7"))
        await call.until(wire.Metrics, 3)
        await call.send(wire.TextIn("Hello", conversation_id="conv_8"))
        await call.until(wire.Metrics, 4)
        pirate = "You are Anne, a pirate of local's."
        assert prompts(call) == [pirate, "Be brief.", pirate, "Be loud."]
        assert not call.all(wire.ErrorOut)
