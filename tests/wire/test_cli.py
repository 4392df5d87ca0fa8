"""The commands as a user runs them: a process, its output and its exit code."""

import json
import os
import pty
import signal
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.wire.conftest import Process
from voice_server.cli.commands import cli
from voice_server.errors import AudioError
from voice_server.settings import Settings

DATA = Path(__file__).parents[1] / "data"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "voice_server", *map(str, arguments)]


def run(*arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(command(*arguments), input=typed, capture_output=True, text=True, timeout=100)
    assert "Traceback" not in ended.stderr
    return ended


def test_a_call_prints_what_was_said_and_keeps_the_answer(real_server: Process, tmp_path: Path) -> None:
    reply = tmp_path / "reply.wav"
    ended = run("call", DATA / "france.wav", "--url", real_server.url, "--out", reply)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == "What is the capital of France?"
    assert lines[1].strip()
    stages = "\n".join(lines[2:])
    for stage in ("wait", "transcript", "first token", "first sound", "response"):
        assert stage in stages
    with wave.open(str(reply)) as sound:
        assert sound.getnframes() * 2 == reply.stat().st_size - 44
        assert sound.getnframes() > sound.getframerate() / 4


def test_a_clip_is_told_as_json(real_server: Process) -> None:
    ended = run("call", DATA / "joke.wav", "--clip", "--json", "--url", real_server.url)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["answered"] is True
    assert told["transcript"] == "Can you tell me a joke?"
    assert told["audio_ms"] > 250
    assert told["metrics"]["response_ms"] > 0
    assert told["metrics"]["endpoint_ms"] is None  # nobody waited for its end


def test_a_pause_that_ends_a_turn_is_no_reason_to_hang_up(real_server: Process) -> None:
    """In `vad` mode 0.7 s of silence are an end: what follows is a turn, and its answer is waited for."""
    ended = run("call", DATA / "pause.wav", "--mode", "vad", "--url", real_server.url)
    assert ended.returncode == 0, ended.stderr
    assert "largest planet" in ended.stdout.splitlines()[0].lower()


def test_a_call_by_button_is_one_turn(real_server: Process) -> None:
    ended = run("call", DATA / "pause.wav", "--mode", "manual", "--url", real_server.url)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Do you know what the largest planet is?")


@pytest.mark.parametrize("how", [["--clip"], ["--mode", "manual"]])
def test_silence_is_not_answered(real_server: Process, how: list[str]) -> None:
    ended = run("call", DATA / "silence.wav", *how, "--url", real_server.url)
    assert ended.returncode == 1
    assert "peech" in ended.stderr


def test_an_open_microphone_that_hears_nobody_hangs_up(
    real_server: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, where its patience can be shorter."""
    monkeypatch.setattr("voice_server.cli.call._UNDERSTOOD_WITHIN_S", 1)
    arguments = ["call", str(DATA / "silence.wav"), "--url", real_server.url]
    with pytest.raises(AudioError, match="understood no speech"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_a_call_is_left_with_control_c(real_server: Process) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("call", DATA / "silence.wav", "--url", real_server.url), stderr=theirs
    ) as calling:
        os.close(theirs)
        shown = b""
        while b"Calling" not in shown:
            shown += os.read(ours, 4096)
        calling.send_signal(signal.SIGINT)
        assert calling.wait(30) == 130
    os.close(ours)
    assert b"Traceback" not in shown


def test_typed_lines_are_answered_one_by_one(real_server: Process) -> None:
    ended = run("chat", "--url", real_server.url, typed="Say hello.\n\nSay hello again.\n/quit\nNever sent.")
    assert ended.returncode == 0, ended.stderr
    assert len([line for line in ended.stdout.splitlines() if line]) >= 2
    last_line_without_end = run("chat", "--url", real_server.url, typed="Say hello.")
    assert last_line_without_end.stdout.strip()


def test_chat_in_a_terminal_ends_with_quit(real_server: Process) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("chat", "--url", real_server.url), stdin=theirs, stdout=subprocess.PIPE
    ) as chat:
        os.close(theirs)
        os.write(ours, b"/quit\n")
        assert chat.wait(30) == 0
    os.close(ours)


def test_what_is_said_can_be_transcribed(tmp_path: Path) -> None:
    """Both without a server; one is the other's proof."""
    spoken = tmp_path / "dinner.wav"
    assert run("say", "Dinner is ready.", "--out", spoken).returncode == 0
    ended = run("transcribe", spoken)
    assert ended.returncode == 0
    assert ended.stdout == "Dinner is ready.\n"


def test_nothing_said_is_nothing_transcribed() -> None:
    ended = run("transcribe", DATA / "silence.wav")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "No speech" in ended.stderr


def test_models_that_are_here_are_good_and_not_fetched_again() -> None:
    pulled = run("models", "pull", "silero-vad", "smart-turn")
    assert pulled.returncode == 0
    assert pulled.stderr.startswith("Nothing to fetch: silero-vad, smart-turn are in ")
    assert (
        run("models", "verify", "silero-vad", "smart-turn").stdout == "silero-vad: good\nsmart-turn: good\n"
    )


def test_a_damaged_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (Settings().models_dir / "silero-vad" / "silero_vad.onnx").read_bytes()
    (tmp_path / "silero-vad").mkdir()
    (tmp_path / "silero-vad" / "silero_vad.onnx").write_bytes(b"\0" + whole[1:])
    monkeypatch.setenv("VOICE_SERVER_MODELS_DIR", str(tmp_path))
    ended = run("models", "verify", "silero-vad")
    assert ended.returncode == 1
    assert "is damaged" in ended.stderr
