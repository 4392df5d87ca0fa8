"""A vendor in trouble is marked where one looks before one chooses, and no longer when it serves again."""

import asyncio

import httpx
import pytest

from tests.wire.rig import PATIENCE_S
from tests.wire.test_vendors import served_by
from voice_server.client import VoiceClient
from voice_server.fakes.openai import FakeOpenAi
from voice_server.fakes.script import Fault, Script

pytestmark = pytest.mark.wire

FAILURES = 2


async def marks(http: httpx.AsyncClient) -> dict[str, str]:
    """How the vendor does in each stage; every page that says it says the same."""
    config = (await http.get("/api/websocket/config")).json()["status"]
    assert (await http.get("/api/health")).json()["providers"] == config
    speech = (await http.get("/api/speech/providers")).json()["status"]
    assert speech == {stage: config[stage] for stage in ("stt", "tts")}
    models = (await http.get("/api/models")).json()["models"]
    assert {model["status"] for model in models} == {config["llm"]["openai"]}
    return {stage: of["openai"] for stage, of in config.items()}


async def test_trouble_is_shown_by_stage_while_it_lasts() -> None:
    well = dict.fromkeys(("stt", "llm", "tts"), "ok")
    async with (
        FakeOpenAi(Script()) as fake,
        served_by(
            fake,
            resilience__retries=0,
            resilience__breaker_failures=FAILURES,
            resilience__breaker_window_s=0.2,
        ) as served,
        served.rest() as http,
        VoiceClient.connect(served.url) as client,
    ):

        async def ask() -> None:
            await client.send_text("Hello")
            await client.turn(timeout_s=PATIENCE_S)

        await ask()
        assert await marks(http) == well
        fake.script.fault = Fault.BROKEN
        for _ in range(FAILURES):
            assert "troubled" not in (await marks(http)).values()
            await ask()
        assert await marks(http) == {"stt": "ok", "llm": "troubled", "tts": "troubled"}
        fake.script.fault = None
        assert (await marks(http))["llm"] == "troubled", "until a call has shown that it serves"
        async with asyncio.timeout(PATIENCE_S):
            while await marks(http) != well:
                await asyncio.sleep(0.1)
                await ask()
    assert fake.seen.under_way == 0
