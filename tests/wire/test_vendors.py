"""A vendor chosen by settings alone: the vendor's fake is on loopback, everything else is as in use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.wire.rig import KEY, Served, wav
from voice_server import app as wiring
from voice_server.client import VoiceClient
from voice_server.fakes.elevenlabs import VOICES, FakeElevenLabs
from voice_server.fakes.openai import FakeOpenAi
from voice_server.fakes.script import Fault, Script
from voice_server.settings import load_settings

WORDS = Script().text


@asynccontextmanager
async def served_by(fake: FakeOpenAi, **more: object) -> AsyncIterator[Served]:
    """A server whose three stages are the fake, unless `more` says otherwise; `__` stands for a dot."""
    settings = load_settings(
        None,
        {
            "port": 0,
            "rest_port": 0,
            "database_url": "sqlite://",
            "resilience.prerender": False,
            "limits.saving_ms": 20_000,
            "stt": ["openai"],
            "llm": ["openai"],
            "tts": ["openai"],
        }
        | {"vendors.openai.api_key": KEY, "vendors.openai.base_url": f"http://{fake.address}/v1"}
        | {name.replace("__", "."): value for name, value in more.items()},
    )
    catalogue = wiring.load_catalogue(settings)
    server = wiring.VoiceServer(settings, catalogue, wiring.default_choice(settings, catalogue))
    async with server.running():
        yield Served(server)


@pytest.mark.parametrize("transport", ["http", "realtime"])
async def test_a_spoken_question_goes_through_the_vendor_of_the_settings(transport: str) -> None:
    """What the fake heard is the question, and what the caller hears is the fake's voice."""
    async with FakeOpenAi(Script()) as fake:
        async with (
            served_by(
                fake,
                vendors__openai__stt_transport=transport,
                vendors__openai__stt_model="ears",
                vendors__openai__llm_model="mind",
                vendors__openai__tts_model="mouth",
            ) as served,
            VoiceClient.connect(served.url, output_audio={"format": "pcm16"}) as client,
        ):
            assert client.init_ack.config["tts_voice"] == "alloy"
            await client.send_clip(wav("france"))
            turn = await client.turn()
        await fake.until_left()
    assert (turn.transcript, turn.reply, turn.errors) == (WORDS, WORDS, ())
    assert turn.end_reason == "completed"
    assert turn.metrics.providers == {"stt": "openai", "llm": "openai/mind", "tts": "openai"}
    spoken = [call for call in fake.seen.calls if call.voice is not None]
    assert turn.audio == b"".join(fake.script.sound_of(call.text) for call in spoken)
    assert {call.model for call in fake.seen.calls} == {"ears", "mind", "mouth"}
    assert {call.key for call in fake.seen.calls} == {KEY}
    assert {call.voice for call in spoken} == {"alloy"}


async def test_discovery_lists_the_vendor_with_its_voices() -> None:
    async with (
        FakeOpenAi(Script()) as fake,
        served_by(fake, vendors__openai__voice="coral") as served,
        served.rest() as http,
    ):
        config = (await http.get("/api/websocket/config")).json()
    assert config["stt"]["providers"] == {"openai": "OpenAI gpt-transcribe"}
    assert config["tts"]["providers"] == {"openai": "OpenAI gpt-4o-mini-tts"}
    assert {voice["provider"] for voice in config["tts"]["voices"]} == {"openai"}
    assert {"coral", "alloy"} < {voice["id"] for voice in config["tts"]["voices"]}
    assert (config["defaults"]["tts_provider"], config["defaults"]["tts_voice"]) == ("openai", "coral")
    assert {"en", "de"} < {language["code"] for language in config["languages"]}


async def test_voices_that_a_vendor_tells_when_it_is_warm_are_listed() -> None:
    """And the one that was chosen without asking stays first."""
    async with FakeElevenLabs(Script()) as elevenlabs, FakeOpenAi(Script()) as openai:
        speaking = served_by(
            openai,
            tts=["elevenlabs"],
            vendors__elevenlabs__api_key=KEY,
            vendors__elevenlabs__base_url=f"http://{elevenlabs.address}",
            vendors__elevenlabs__voice=VOICES[1][0],
        )
        async with speaking as served, served.rest() as http:
            await served.server.readiness.wait()
            config = (await http.get("/api/websocket/config")).json()
    told = [(voice["id"], voice["name"], voice["gender"]) for voice in config["tts"]["voices"]]
    assert told == [VOICES[1], VOICES[0]]
    assert config["defaults"]["tts_voice"] == VOICES[1][0]


async def test_a_refused_key_is_told_to_the_caller_and_never_shown() -> None:
    async with (
        FakeOpenAi(Script(fault=Fault.REJECTED_KEY)) as fake,
        served_by(fake) as served,
        VoiceClient.connect(served.url) as client,
    ):
        await client.send_clip(wav("france"))
        turn = await client.turn()
    assert [error.code for error in turn.errors][:1] == ["provider_auth"]
    assert "VOICE_SERVER_VENDORS__OPENAI__API_KEY" in turn.errors[0].message
    assert KEY not in repr(turn)
