"""The public Zeebee client, as it is published, in an environment of its own."""

import asyncio
import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.fakes.scripted import Listening, ScriptedStt
from tests.needed import lacking
from tests.wire.conftest import Process
from tests.wire.rig import DATA, KEY, serving

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = ROOT / ".venv-zeebee"
CALLER = Path(__file__).parent / "zeebee_caller.py"
REST_CALLER = Path(__file__).parent / "zeebee_rest_caller.py"
PACKAGES = ("zeebee-ai-client==0.1.6", "websockets<14")  # it passes `extra_headers`, which 14 took away

every_path = pytest.mark.parametrize("path", ["session", "stream", "websocket"])


@pytest.fixture(scope="session")
def zeebee_python() -> Path:
    """Made once and kept: the client needs a `websockets` that the server does not run on."""
    python = ENVIRONMENT / "bin" / "python"
    installed = ENVIRONMENT / "installed"
    if not installed.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", *PACKAGES]
        if subprocess.run(pip, timeout=100).returncode:
            lacking(f"pip could not fetch the public client: {' '.join(pip[1:])}")
        installed.write_text("\n".join(PACKAGES))
    return python


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client's callbacks were given, or its call returned."""

    told: dict[str, Any]
    sound: bytes

    @property
    def sound_s(self) -> float:
        """How long it plays, opened as a WAV file as the client's own documentation does."""
        info = soundfile.info(io.BytesIO(self.sound))
        assert info.format == "WAV"
        samples, rate_hz = soundfile.read(io.BytesIO(self.sound))
        return float(len(samples) / rate_hz)


async def call(
    python: Path, path: str, url: str, rest_url: str, recording: str, tmp_path: Path, key: str = KEY
) -> Answer:
    sound = tmp_path / "reply.wav"
    told = await last_words(python, CALLER, path, url, rest_url, key, DATA / recording, sound)
    return Answer(told, sound.read_bytes())


async def last_words(*command: Path | str) -> dict[str, Any]:
    """What a program that ends well writes last, which is JSON."""
    calling = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            said, complained = await calling.communicate()
    finally:
        if calling.returncode is None:
            calling.kill()
            await calling.wait()
    assert calling.returncode == 0, complained.decode()
    told: dict[str, Any] = json.loads(said.decode().splitlines()[-1])
    return told


@every_path
async def test_a_question_is_answered_by_real_models(
    path: str, real_server: Process, zeebee_python: Path, tmp_path: Path
) -> None:
    answer = await call(zeebee_python, path, real_server.url, real_server.rest_url, "france.wav", tmp_path)
    assert 0.3 < answer.sound_s < 120
    if path != "websocket":  # there it never awaits the callbacks that would keep the texts
        assert "france" in answer.told["transcript"].lower()
        assert answer.told["reply"]
    assert answer.told["errors"] == []
    if path == "session":
        assert answer.told["conversation_id"].startswith("conv_")
        assert "ready" in answer.told["statuses"]


@every_path
async def test_with_a_key(path: str, zeebee_python: Path, tmp_path: Path) -> None:
    async with serving(api_keys=[KEY], stt=ScriptedStt(usual=Listening(text="hello"))) as served:
        answer = await call(zeebee_python, path, served.url, served.rest_url, "france.wav", tmp_path, key=KEY)
    assert answer.sound_s > 0.3
    assert answer.told["errors"] == []


async def test_a_wrong_key_reaches_its_error_callback(zeebee_python: Path, tmp_path: Path) -> None:
    async with serving(api_keys=[KEY]) as served:
        answer = await call(
            zeebee_python, "session", served.url, served.rest_url, "france.wav", tmp_path, key="sk-wrong"
        )
    assert "Invalid API key. Please check your credentials." in answer.told["errors"]
    assert answer.sound == b""


@every_path
async def test_a_recording_of_nothing_still_ends_with_sound(
    path: str, zeebee_python: Path, tmp_path: Path
) -> None:
    async with serving() as served:
        answer = await call(zeebee_python, path, served.url, served.rest_url, "silence.wav", tmp_path)
    assert answer.sound_s > 0.3


async def test_its_rest_calls_work_once_its_fixed_hosts_lead_here(zeebee_python: Path) -> None:
    hears = ScriptedStt(usual=Listening(text="good morning"))
    async with serving(api_keys=[KEY], stt=hears) as served:
        told = await last_words(zeebee_python, REST_CALLER, served.rest_url, KEY)
    text = "You said: Hello"
    assert told["chat"]["message"] == told["chat"]["response"] == text
    conversation_id = told["chat"]["conversation_id"]
    assert "".join(one["chunk"] for one in told["stream"]) == "You said: And then?"
    assert "".join(one["text"] for one in told["stream"]) == "You said: And then?"
    assert {one["conversation_id"] for one in told["stream"]} == {conversation_id}
    assert told["template"]["layout_data"]["type"] == "card-list"
    assert set(told["cached"]) == {conversation_id, told["template"]["conversation_id"]}

    made = told["made"]["id"]
    assert told["listed"]["total"] == 3
    assert {one["id"] for one in told["listed"]["conversations"]} >= {made, conversation_id}
    assert (told["added"]["role"], told["added"]["content"]) == ("user", "A message")
    assert told["got"]["conversation"]["id"] == made
    assert [one["content"] for one in told["got"]["conversation"]["messages"]] == ["A message"]
    assert (told["updated"]["title"], told["updated"]["description"]) == ("Renamed", "d")
    assert told["archived"]["status"] == "archived"
    assert [one["id"] for one in told["archived_list"]["conversations"]] == [made]
    assert told["restored"]["status"] == "active"
    assert told["exports"]["json"]["messages"][1]["content"] == text
    for form in ("markdown", "text"):
        assert isinstance(told["exports"][form], str)
        assert text in told["exports"][form]
    assert told["feedback"]["status"] == "success"
    assert told["feedback"]["feedback_id"]
    assert told["found"]["messages"]["results"][0]["content"]
    assert {one["conversation_id"] for one in told["found"]["within"]["results"]} == {conversation_id}
    assert told["found"]["conversations"]["results"][0]["snippet"]
    assert told["spoken_bytes"] > 1_000
    assert told["heard"]["text"] == "good morning"
    assert told["models"]["stt"]["models"] and told["models"]["tts"]["models"]
    assert [one["id"] for one in told["voices"]["voices"]] == ["tone"]
    assert told["layouts"]["layouts"]
    assert told["agents"]["agents"] == []
    assert told["deleted"]["status"] == "success"
    assert told["gone"] == 404
    assert "Invalid API key. Please check your credentials." in told["refused"]


def test_the_caller_runs_where_the_server_does_not(zeebee_python: Path) -> None:
    """Else these tests would talk with another client than the published one."""
    listed = subprocess.run(
        [str(zeebee_python), "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"zeebee[-_]ai[-_]client==0\.1\.6", listed)
    assert "voice-server" not in listed
