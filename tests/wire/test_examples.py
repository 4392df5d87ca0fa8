"""The example packages of the documents, installed as anybody would, in a server of its own process."""

from pathlib import Path

import httpx
import pytest

from tests.examples import install
from tests.wire.conftest import start_server
from voice_server.client import VoiceClient


async def test_a_provider_of_another_package_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the settings, found by its entry point, told by discovery."""
    monkeypatch.setenv("PYTHONPATH", str(install("parrot", tmp_path)))
    started = start_server(LLM="parrot")
    try:
        async with VoiceClient.connect(started.url) as client:
            assert client.init_ack.config["llm_provider"] == "parrot"
            await client.send_text("Polly wants tea", audio=False)
            turn = await client.turn()
        async with httpx.AsyncClient(base_url=started.rest_url, trust_env=False) as http:
            models = (await http.get("/api/models")).json()["models"]
    finally:
        assert started.stop() == 0
    assert turn.reply.strip() == "Polly wants tea"
    assert turn.metrics.providers["llm"] == "parrot/parrot-1"
    assert [(one["id"], one["provider"], one["context_length"]) for one in models] == [
        ("parrot-1", "parrot", 8192),
        ("gpt-4o", "parrot", 8192),
    ]
