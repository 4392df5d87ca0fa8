"""Languages and discovery over the wire, with vendors on loopback."""

import asyncio
from typing import Literal

import pytest

from tests.wire.rig import KEY, PATIENCE_S, Served, frame_of, raw, serving, wav
from tests.wire.test_vendors import served_by
from voice_server.client import ServerError, VoiceClient
from voice_server.client.frames import Metrics, Transcription
from voice_server.fakes.elevenlabs import VOICES, FakeElevenLabs
from voice_server.fakes.google import FakeGoogle
from voice_server.fakes.openai import FakeOpenAi
from voice_server.fakes.script import Script


async def until_told(served: Served, what: Literal["voices", "languages"], wished: str) -> None:
    """Wait until discovery lists it."""
    async with asyncio.timeout(PATIENCE_S), served.rest() as http:
        while True:
            config = (await http.get("/api/websocket/config")).json()
            voices = {voice["id"] for voice in config["tts"]["voices"]}
            if wished in (voices if what == "voices" else {one["code"] for one in config["languages"]}):
                return
            await asyncio.sleep(0.02)


async def test_a_spoken_turn_is_answered_in_the_language_that_was_heard() -> None:
    """The recogniser is given the list, and what it says goes on to the model."""
    async with FakeOpenAi(Script(language="de")) as fake:
        async with (
            served_by(
                fake, vendors__openai__stt_model="gpt-transcribe", languages=["en-US", "de-DE"]
            ) as served,
            VoiceClient.connect(served.url, language_code="auto") as client,
        ):
            assert client.init_ack.config["language_code"] == "auto"
            await client.send_clip(wav("france"))
            heard = await frame_of(client, Transcription)
            await frame_of(client, Metrics)
        await fake.until_left()
    assert heard.language == "de"
    (asked,) = [call.raw for call in fake.seen.calls if "messages" in call.raw]
    assert asked["messages"][0]["content"].endswith(" Answer in German.")


async def test_a_language_nobody_serves_is_refused_and_the_next_init_is_heard() -> None:
    async with serving() as served, raw(served.url) as socket:
        await socket.say(type="init", language_code="xx-XX")
        error = await socket.until("error")
        assert error["code"] == "language_not_served"
        assert error["message"] == "Language 'xx-XX' cannot be served. Served: en-US."
        await socket.say(type="init", language_code="en-US")
        assert (await socket.until("init_ack"))["config"]["language_code"] == "en-US"


async def test_our_client_says_at_once_why_it_was_refused() -> None:
    async with serving() as served:
        with pytest.raises(ServerError, match="Served: en-US") as refused:
            async with VoiceClient.connect(served.url, language_code="xx-XX"):
                pass
    assert refused.value.code == "language_not_served"


async def test_discovery_tells_who_listens_speaks_and_answers() -> None:
    async with (
        FakeOpenAi(Script()) as fake,
        served_by(
            fake, vendors__openai__llm_model="gpt-4.1", vendors__openai__context_tokens=64_000
        ) as served,
        served.rest() as http,
    ):
        speech = (await http.get("/api/speech/providers")).json()
        models = (await http.get("/api/models")).json()
    assert speech == {
        "providers": {"openai": "OpenAI gpt-transcribe, OpenAI gpt-4o-mini-tts"},
        "stt": {"openai": "OpenAI gpt-transcribe"},
        "tts": {"openai": "OpenAI gpt-4o-mini-tts"},
        "status": {"stt": {"openai": "ok"}, "tts": {"openai": "ok"}},
    }
    assert models["models"] == [
        {
            "id": "gpt-4.1",
            "name": "gpt-4.1",
            "display_name": "OpenAI gpt-4.1",
            "provider": "openai",
            "max_tokens": 256,
            "context_length": 64_000,
            "status": "ok",
        },
        {
            "id": "gpt-4o",
            "name": "gpt-4o",
            "display_name": "gpt-4o (answered by OpenAI gpt-4.1)",
            "provider": "openai",
            "max_tokens": 256,
            "context_length": 64_000,
            "status": "ok",
        },
    ]


async def test_a_model_that_is_really_there_is_listed_once() -> None:
    async with (
        FakeOpenAi(Script()) as fake,
        served_by(fake, vendors__openai__llm_model="gpt-4o") as served,
        served.rest() as http,
    ):
        (one,) = (await http.get("/api/models")).json()["models"]
    assert one["display_name"] == "OpenAI gpt-4o"


async def test_voices_are_asked_for_of_every_provider_and_again() -> None:
    """Not only of the default one; a voice that is new at the vendor is listed without a restart."""
    async with FakeElevenLabs(Script()) as elevenlabs, FakeOpenAi(Script()) as openai:
        speaking = served_by(
            openai,
            tts=["openai", "elevenlabs"],
            voices_refresh_min=0.005,
            vendors__elevenlabs__api_key=KEY,
            vendors__elevenlabs__base_url=f"http://{elevenlabs.address}",
        )
        async with speaking as served:
            await until_told(served, "voices", "v2")
            elevenlabs.voices = (*VOICES, ("v3", "Newton", "male"))
            await until_told(served, "voices", "v3")


async def test_another_vendor_serves_a_language_and_says_so() -> None:
    """Google understands and speaks German with a voice of its own, told in the notes."""
    async with FakeGoogle(Script()) as google, FakeOpenAi(Script()) as openai:
        speaking = served_by(
            openai,
            stt=["local", "google"],
            tts=["local", "google"],
            vendors__google__api_key=KEY,
            vendors__google__base_url=f"http://{google.address}",
        )
        async with speaking as served:
            await until_told(served, "languages", "de-DE")
            async with VoiceClient.connect(served.url, language_code="de-DE") as client:
                config = client.init_ack.config
                await client.send_clip(wav("france"))
                turn = await client.turn()
    assert (config["stt_provider"], config["tts_provider"]) == ("google", "google")
    assert config["tts_voice"].startswith("de-DE")
    assert config["notes"] == [
        "'local' does not understand the language 'de-DE': 'google' does.",
        "'local' does not speak the language 'de-DE': 'google' does.",
    ]
    assert turn.errors == ()
    assert {call.language for call in google.seen.calls if call.language} == {"de-DE"}
