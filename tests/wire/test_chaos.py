"""Fakes for people: `voice-server fakes`, and a server among failing ones."""

import signal
import subprocess
import sys

import httpx

from tests.wire.rig import PATIENCE_S
from voice_server import app as wiring
from voice_server.client import VoiceClient
from voice_server.fakes.chaos import raging, read_chaos
from voice_server.fakes.script import Script
from voice_server.settings import load_settings


async def test_a_server_in_chaos_answers_from_its_fakes_and_fails_as_it_was_told() -> None:
    troubles = read_chaos("stt-none,llm-500,tts-none")
    async with raging(troubles, {"stt": (), "llm": (), "tts": ()}) as changes:
        settings = load_settings(None, {"port": 0, "rest_port": 0, "database_url": "sqlite://", **changes})
        assert (settings.stt, settings.llm, settings.tts) == (("elevenlabs",), ("anthropic",), ("openai",))
        catalogue = wiring.load_catalogue(settings)
        server = wiring.VoiceServer(settings, catalogue, wiring.default_choice(settings, catalogue))
        async with server.running():
            await server.readiness.wait()
            async with VoiceClient.connect(f"ws://127.0.0.1:{server.port}/") as client:
                await client.send_text("Hello")
                turn = await client.turn(timeout_s=PATIENCE_S)
    assert [(error.stage, error.code) for error in turn.errors] == [("llm", "provider_failed")]
    assert turn.audio


async def test_the_fakes_behind_a_vendor_have_the_configured_chain_behind_them() -> None:
    async with raging(
        read_chaos("google-305,llm-refused"), {"stt": ["local"], "tts": ["google", "local"], "llm": ["x"]}
    ) as changes:
        assert (changes["stt"], changes["tts"]) == (["google", "local"], ["google", "local"])
        assert changes["llm"] == ["anthropic", "x"]
        assert changes["vendors.google.stt_rotate_after_s"] < 15


def test_the_fakes_say_how_to_use_them_and_answer() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "voice_server", "fakes", "--vendor", "openai"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(6))
        assert (told["VOICE_SERVER_STT"], told["VOICE_SERVER_TTS"]) == ("openai", "openai")
        asked = {"model": "any", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        answer = httpx.post(
            f"{told['VOICE_SERVER_VENDORS__OPENAI__BASE_URL']}/chat/completions", json=asked, trust_env=False
        )
        assert all(word in answer.text for word in Script().words)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
