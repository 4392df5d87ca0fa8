"""A real server records its sessions; the command replays them, whatever became of the server."""

import json
import wave
from pathlib import Path

from tests.wire.conftest import start_server
from tests.wire.rig import KEY, frame_of, serving, wav
from tests.wire.test_cli import run
from voice_server.client import VoiceClient
from voice_server.client.frames import AudioStreamEnd


def file_of(folder: Path, client: VoiceClient) -> Path:
    return folder / f"{client.session_id}.jsonl"


async def test_a_spoken_turn_is_replayed_though_the_server_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    server = start_server(RECORDING__FOLDER=str(folder))
    try:
        async with VoiceClient.connect(server.url) as client:
            assert client.init_ack is not None and client.init_ack.config["recorded"] is True
            await client.stream_wav(wav("france"))
            await client.stream_wav(bytes(2 * 16_000))
            turn = await client.turn()
            await client.end()
        other = await VoiceClient.connect(server.url).__aenter__()
        await other.send_text("Say hello.")
        await frame_of(other, AudioStreamEnd)
    finally:
        server.process.kill()
        server.process.wait()
    assert turn.transcript is not None

    sound = tmp_path / "call.wav"
    ended = run("replay", file_of(folder, client), "--audio", sound)
    assert ended.returncode == 0, ended.stderr
    assert turn.transcript in ended.stdout and "ms of silence (" in ended.stdout
    assert "every one is answered as it was then" in ended.stderr
    with wave.open(str(sound)) as both:
        assert both.getnchannels() == 2
        assert both.getnframes() / both.getframerate() > 2

    cut_off = run("replay", file_of(folder, other), "--json")
    assert cut_off.returncode == 0, cut_off.stderr
    verdict = json.loads(cut_off.stdout.splitlines()[-1])
    assert verdict["same"] is True and verdict["end"] is None
    assert verdict["steps"] == len(cut_off.stdout.splitlines()) - 1


async def test_no_key_is_recorded_and_nothing_where_nobody_asked(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    async with (
        serving(api_keys=KEY, recording={"folder": str(folder)}) as served,
        VoiceClient.connect(served.url, api_key=KEY) as client,
    ):
        await client.send_text("Hello")
        await client.turn()
        await client.end()
    told = file_of(folder, client).read_text()
    assert "Hello" in told and KEY not in told
    async with serving() as served, VoiceClient.connect(served.url) as client:
        assert client.init_ack is not None and "recorded" not in client.init_ack.config
