"""The command, from its first line to its last; TLS; and what is wrong with an installation."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.fakes.scripted import ScriptedLlm, ScriptedTts, spread
from tests.needed import lacking
from tests.wire.conftest import start_server
from tests.wire.rig import PATIENCE_S, eventually, frame_of, raw, serving, wav
from voice_server.client import ConnectionLost, VoiceClient
from voice_server.client.frames import AudioChunk, AudioStreamEnd, SessionEnded
from voice_server.core.caller import Caller
from voice_server.core.usage import Use
from voice_server.settings import Settings
from voice_server.store.usage import UsageLedger, UsageRecord


def refused(*arguments: str, **environment: str) -> str:
    """The last words of a server that does not start; no trace may be among them."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_SERVER_")}
    chosen = {"DATABASE_URL": "sqlite://", **environment}
    ended = subprocess.run(
        [sys.executable, "-m", "voice_server", "serve", *arguments],
        env=own | {f"VOICE_SERVER_{name}": value for name, value in chosen.items()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode not in (0, -signal.SIGKILL)
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("variable", ["PORT", "REST_PORT"])
def test_a_port_that_is_taken_is_one_sentence(variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        said = refused(**{"PORT": "0", "REST_PORT": "0", variable: port})
    assert port in said
    assert "already taken" in said
    assert f"VOICE_SERVER_{variable}" in said


def test_everybody_is_not_served_without_a_key_by_accident() -> None:
    said = refused("--host", "0.0.0.0", "--port", "0", "--rest-port", "0")
    assert "--insecure" in said
    assert "VOICE_SERVER_API_KEYS" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_start_that_waits_for_its_database_can_be_given_up(number: signal.Signals) -> None:
    is_asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_asked.set()
        await reader.read()  # until it gives up
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_server", "serve", "--port", "0", "--rest-port", "0"),
        env={"VOICE_SERVER_DATABASE_URL": f"postgresql://ada:geheim@127.0.0.1:{port}/voice", **os.environ},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await is_asked.wait()
            process.send_signal(number)
            _, said = await process.communicate()
        assert b"Traceback" not in said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        silent.close()


async def test_a_stop_in_mid_reply_lets_it_finish_and_says_so() -> None:
    """All of the reply comes, then the end, then 1001."""
    text = "This reply takes its time and it is not cut short."
    tts = ScriptedTts()
    async with serving(llm=ScriptedLlm(usual=lambda _: spread(text, 0.05)), tts=tts) as served:
        client = VoiceClient.connect(served.url)
        await client.__aenter__()
        await client.send_text("Go on.")
        collecting = asyncio.create_task(client.turn())
        await eventually(lambda: bool(tts.spoken))
        assert not collecting.done()
    turn = await collecting  # the server is down by now
    assert turn.reply == text
    assert turn.end_reason == "completed"
    with pytest.raises(ConnectionLost) as lost:
        async for frame in client:
            if isinstance(frame, SessionEnded):
                assert frame.reason == "server_going_away"
    assert lost.value.close_code == 1001
    await client.__aexit__(None, None, None)


async def test_nobody_new_is_let_in_while_it_stops() -> None:
    llm = ScriptedLlm(usual=lambda _: spread("A reply of some length, word by word.", 0.1))
    async with serving(llm=llm) as served:
        client = VoiceClient.connect(served.url)
        await client.__aenter__()
        await client.send_text("Go on.")
        await frame_of(client, AudioChunk)
        url = served.url

        async def knock() -> int | None:
            while True:
                try:
                    async with raw(url):
                        await asyncio.sleep(0.05)
                except InvalidStatus as refused:
                    return refused.response.status_code
                except OSError:
                    return None

        knocking = asyncio.create_task(knock())
        await asyncio.sleep(0.1)
    assert await knocking == 503
    await client.__aexit__(None, None, None)


async def test_the_command_stops_on_sigterm_after_the_reply() -> None:
    server = await asyncio.to_thread(start_server)
    try:
        await asyncio.to_thread(server.wait_ready)
        client = VoiceClient.connect(server.url)
        await client.__aenter__()
        await client.send_text("Say hello.", max_tokens=12)
        await frame_of(client, AudioChunk)
        server.process.send_signal(signal.SIGTERM)
        end = await frame_of(client, AudioStreamEnd)
        assert end.reason == "completed"
        assert (await frame_of(client, SessionEnded)).reason == "server_going_away"
        await client.__aexit__(None, None, None)
    finally:
        assert await asyncio.to_thread(server.stop) == 0


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        lacking("nothing makes a certificate: apt-get install openssl")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_tls_on_both_ports(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    trust = ssl.create_default_context(cafile=str(cert))
    async with serving(tls_cert=cert, tls_key=key) as served:
        for url in (served.url, f"{served.rest_socket_url}/"):
            assert url.startswith("wss://")
            async with raw(url, ssl=trust) as caller:
                await caller.say(type="message", message="Hello")
                assert (await caller.until("ai_response"))["text"] == "You said: Hello"
        async with httpx.AsyncClient(verify=trust, trust_env=False) as http:
            config = (await http.get(f"{served.rest_url}/api/websocket/config")).json()
        assert config["websocket"]["url"] == f"wss://127.0.0.1:{served.server.port}"


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    said = refused(
        PORT="0", REST_PORT="0", TLS_CERT=str(tmp_path / "cert.pem"), TLS_KEY=str(tmp_path / "key.pem")
    )
    assert "tls_cert" in said


def linked_models(folder: Path, *, without: str) -> Path:
    """A models folder like ours, in which one model may be missing or replaced."""
    for model in Settings().models_dir.iterdir():
        if model.is_dir() and model.name != without:
            (folder / model.name).symlink_to(model)
    return folder


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
async def test_a_model_that_cannot_be_used_is_told_and_the_server_lives(tmp_path: Path, damage: str) -> None:
    folder = linked_models(tmp_path, without="smollm2")
    if damage == "corrupt":
        (folder / "smollm2").mkdir()
        for file in (Settings().models_dir / "smollm2").iterdir():
            (folder / "smollm2" / file.name).write_bytes(b"not a model" * 100)
    server = await asyncio.to_thread(start_server, MODELS_DIR=str(folder))
    try:
        async with VoiceClient.connect(server.url) as client:
            await client.send_clip(wav("france"))
            turn = await client.turn()
            assert turn.transcript
            told = {error.code: error.message for error in turn.errors}
            assert set(told) - {"slow"} == {"model_file"}  # the machine may be busy
            assert "voice-server models pull" in told["model_file"]
            assert turn.audio  # a sentence that says so
        async with httpx.AsyncClient(base_url=server.rest_url, trust_env=False) as http:
            health = (await http.get("/api/health")).json()
        assert health["ready"] is False
        assert health["stages"]["llm"].startswith("failed: ")
        assert "voice-server models pull" in health["stages"]["llm"]
    finally:
        assert await asyncio.to_thread(server.stop) == 0


@pytest.mark.parametrize("model", ["silero-vad", "smart-turn"])
def test_without_voice_detection_there_is_one_sentence(tmp_path: Path, model: str) -> None:
    said = refused(PORT="0", REST_PORT="0", MODELS_DIR=str(linked_models(tmp_path, without=model)))
    assert "voice-server models pull" in said


async def test_a_reply_that_nobody_hears_holds_up_no_stop() -> None:
    """Its caller is gone, so its playback stands still: waiting for it to finish would take all the grace."""
    tts = ScriptedTts()
    async with asyncio.timeout(60):
        async with serving(tts=tts, limits={"drain_s": 3_600}) as served:
            client = VoiceClient.connect(served.url)
            await client.__aenter__()
            await client.send_text("Say this at some length, please. " * 5)
            await frame_of(client, AudioChunk)
            client.drop()
    await client.__aexit__(None, None, None)


async def test_usage_that_is_being_written_when_the_server_stops_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, began = UsageLedger.add, asyncio.Event()

    async def add_slowly_at_first(ledger: UsageLedger, records: Sequence[UsageRecord]) -> None:
        if not began.is_set():
            began.set()
            await asyncio.sleep(60)
        await add(ledger, records)

    monkeypatch.setattr(UsageLedger, "add", add_slowly_at_first)
    url = f"sqlite:///{tmp_path / 'usage.db'}"
    async with serving(database_url=url) as served:
        served.server.platform.meter.record(Caller(), Use("tts", "tone", characters=7))
        await began.wait()
    async with serving(database_url=url) as served, served.rest() as http:
        assert (await http.get("/api/usage")).json()["total"]["characters"] == 7


async def test_both_ports_listen_for_ipv4_and_ipv6(tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        lacking("this machine has no IPv6")
    async with serving(host="::", insecure=True) as served:
        for port in (served.server.port, served.server.rest_port):
            for address in ("127.0.0.1", "::1"):
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
