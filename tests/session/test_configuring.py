"""What a caller may choose, at the beginning and between turns."""

import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.session.rig import VAD, House, calling, wav
from voice_server.core import wire
from voice_server.core.wire import Changes, TurnDetectionChanges, TurnMode
from voice_server.errors import ProtocolError
from voice_server.fakes.spoken import speak

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
