import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvloop

from tests.needed import lacking
from voice_server.settings import Settings

HERE = Path(__file__).parent
REAL_MODELS = ("silero-vad", "smart-turn", "whisper-tiny-en", "piper-joe", "smollm2", "minilm")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}  # what the server runs on


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.wire)


def missing_models() -> list[str]:
    folder = Settings().models_dir
    return [name for name in REAL_MODELS if not (folder / name).is_dir()]


@pytest.fixture(scope="session", autouse=True)
def models() -> None:
    """Sessions cannot be opened without voice detection, nor these tests run without speech."""
    if missing := missing_models():
        lacking(f"weights are missing: voice-server models pull {' '.join(missing)}")


class Hasty:
    """What uvicorn knows as `asyncio`, its naps shortened."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, 0.01))


@pytest.fixture(scope="session", autouse=True)
def hasty_uvicorn() -> Iterator[None]:
    """It looks ten times a second whether it is to stop: a fifth of a second for each of many servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uvicorn.server.asyncio", Hasty())
        yield


@dataclass(frozen=True, slots=True)
class Process:
    """A `voice-server serve` of its own, and where it listens."""

    process: subprocess.Popen[str]
    url: str
    page_url: str

    @property
    def rest_url(self) -> str:
        return self.page_url.rstrip("/").replace("localhost", "127.0.0.1")

    def wait_ready(self) -> None:
        """Until the models are warm: the log says so, or why not."""
        for line in self._log():
            if line["event"] in ("ready", "stage failed to warm"):
                assert line["event"] == "ready", line
                return

    def _log(self) -> Iterator[dict[str, str]]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                yield json.loads(line)
        raise AssertionError(f"the server ended with {self.process.wait()}")

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def start_server(**environment: str) -> Process:
    """Start the command with these `VOICE_SERVER_*` variables, on free ports; returns once it listens."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_SERVER_")}
    chosen = {
        "DATABASE_URL": "sqlite://",
        "PORT": "0",
        "REST_PORT": "0",
        "LLM_MODEL": "smollm2",
        "MAX_TOKENS": "64",  # it rambles, and a reply takes as long as it is spoken
        "LOG_FORMAT": "json",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "voice_server", "serve"],
        env=own | {f"VOICE_SERVER_{name}": value for name, value in chosen.items()},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=HERE.parent.parent,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("{") and (told := json.loads(line))["event"] == "listening":
            port = urlsplit(told["websocket"]).port
            scheme = urlsplit(told["websocket"]).scheme
            return Process(process, f"{scheme}://127.0.0.1:{port}/", told["page"])
    raise AssertionError(f"the server ended with {process.wait()}: {''.join(said)}")


@pytest.fixture(scope="session")
def real_server(models: None) -> Iterator[Process]:
    """Real models, in a process of their own so that they do not share this loop. Warm."""
    started = start_server()
    try:
        started.wait_ready()
        yield started
    finally:
        assert started.stop() == 0


@pytest.fixture
def rest(real_server: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=real_server.rest_url, trust_env=False) as client:
        yield client
