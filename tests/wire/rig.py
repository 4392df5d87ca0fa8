"""A whole server in this process, on ports of its own, and hands to touch its wire with."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.scripted import ScriptedLlm, ScriptedStt, ScriptedTts
from voice_server import app as wiring
from voice_server.app import VoiceServer
from voice_server.audio.format import STT_RATE_HZ
from voice_server.audio.wav import wav_header
from voice_server.client import VoiceClient
from voice_server.client.frames import ServerFrame
from voice_server.providers.base import Embeddings
from voice_server.session.choice import Catalogue
from voice_server.settings import Settings

DATA = Path(__file__).parent.parent / "data"
KEY = "sk-test-0123456789abcdefghijklmnopqrstuv"
PATIENCE_S = 30.0

F = TypeVar("F")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens, as its callers know it."""

    server: VoiceServer
    is_secure: bool = False

    @property
    def url(self) -> str:
        return f"{'wss' if self.is_secure else 'ws'}://127.0.0.1:{self.server.port}/"

    @property
    def rest_url(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://127.0.0.1:{self.server.rest_port}"

    @property
    def rest_socket_url(self) -> str:
        return self.rest_url.replace("http", "ws", 1)

    def rest(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.rest_url, timeout=PATIENCE_S, trust_env=False)


@asynccontextmanager
async def serving(
    *,
    stt: ScriptedStt | None = None,
    llm: ScriptedLlm | None = None,
    tts: ScriptedTts | None = None,
    embeddings: Embeddings | None = None,
    **settings: Any,
) -> AsyncIterator[Served]:
    """A server with scripted providers; `settings` are fields of `Settings`."""
    settings.setdefault("tts_voice", "tone")
    settings.setdefault("database_url", "sqlite://")
    settings.setdefault("resilience", {"prerender": False})
    settings["limits"] = {"saving_ms": 20_000, **settings.get("limits", {})}  # the machine may be busy
    chosen = Settings.model_validate({"port": 0, "rest_port": 0, **settings})
    catalogue = Catalogue([stt or ScriptedStt()], [llm or ScriptedLlm()], [tts or ScriptedTts()])
    server = VoiceServer(chosen, catalogue, wiring.default_choice(chosen, catalogue), embeddings)
    async with server.running():
        yield Served(server, is_secure=chosen.tls_cert is not None)


class Raw:
    """A socket and the JSON on it, for what a well-behaved client would never do."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Json] = []

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def next(self) -> Json:
        async with asyncio.timeout(PATIENCE_S):
            message = await self.socket.recv()
        frame: Json = json.loads(message) if isinstance(message, str) else {"type": "binary", "data": message}
        self.seen.append(frame)
        return frame

    async def until(self, frame_type: str) -> Json:
        """The next frame of this type; those before it are in `seen`."""
        while (frame := await self.next())["type"] != frame_type:
            pass
        return frame

    async def closed(self) -> tuple[int, str]:
        """The close code and reason that the server ends with, every frame before it in `seen`."""
        try:
            while True:
                await self.next()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def of_type(self, frame_type: str) -> list[Json]:
        return [frame for frame in self.seen if frame["type"] == frame_type]

    async def answers(self) -> None:
        """The server lives and this session with it."""
        await self.say(type="ping", timestamp="still there?")
        assert (await self.until("pong"))["timestamp"] == "still there?"


@asynccontextmanager
async def raw(url: str, *, greeted: bool = True, **options: Any) -> AsyncIterator[Raw]:
    """Connect; `greeted` waits for `connection_established`."""
    options.setdefault("max_queue", None)  # a close would wait ten seconds behind frames that nobody reads
    async with connect(url, compression=None, ping_timeout=None, proxy=None, **options) as socket:
        one = Raw(socket)
        if greeted:
            assert (await one.next())["type"] == "connection_established"
        yield one


async def frame_of(client: VoiceClient, kind: type[F], where: Callable[[F], bool] = lambda _: True) -> F:
    """The next frame of this class for which `where` holds."""
    async with asyncio.timeout(PATIENCE_S):
        async for frame in client:
            if isinstance(frame, kind) and where(frame):
                return frame
    raise AssertionError(f"the session ended without {kind.__name__}")


async def frames_until(client: VoiceClient, kind: type[ServerFrame]) -> list[ServerFrame]:
    """All frames up to the first of this class."""
    frames: list[ServerFrame] = []
    async with asyncio.timeout(PATIENCE_S):
        async for frame in client:
            frames.append(frame)
            if isinstance(frame, kind):
                return frames
    raise AssertionError(f"the session ended without {kind.__name__}")


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


def wav(name: str) -> bytes:
    """A recording of tests/data."""
    return (DATA / f"{name}.wav").read_bytes()


def clip(pcm: bytes) -> bytes:
    """A WAV file of what `spoken` said."""
    return wav_header(STT_RATE_HZ, len(pcm)) + pcm
