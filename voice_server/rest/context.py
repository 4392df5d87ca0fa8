"""What the REST API is handed by `app`: the services, and what to do with a WebSocket."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from voice_server.services.chat import Chat
from voice_server.services.client_tokens import ClientTokens
from voice_server.services.discovery import Discovery
from voice_server.services.keys import KeyRing
from voice_server.services.rates import Rates
from voice_server.services.readiness import Readiness
from voice_server.services.search import Search
from voice_server.services.speech import Speech
from voice_server.services.templates import Templates
from voice_server.services.usage import Meter
from voice_server.services.voice_streams import VoiceStreams
from voice_server.session.registry import SessionRegistry
from voice_server.store.conversations import ConversationStore
from voice_server.store.feedback import FeedbackStore


class Refused(Protocol):
    """Why a WebSocket may not open."""

    @property
    def status(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class RestSocket(Protocol):
    """A WebSocket of this port, as whoever serves it wants it (see `rest.sockets`)."""

    async def receive(self) -> str | bytes: ...
    async def send(self, *messages: str | bytes) -> None: ...

    def shortcut(self, take: Callable[[bytes], bool]) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...
    def admit(self) -> None: ...


class SocketService(Protocol):
    """Serves WebSockets, whichever port they come in by."""

    def judge(self, path: str, query: str, headers: Mapping[str, str], peer: str) -> Refused | None:
        """Why this request may not become a socket, if it may not."""
        ...

    async def serve(
        self, accepted: RestSocket, path: str, query: str, headers: Mapping[str, str], peer: str
    ) -> None:
        """Live with a socket until it is closed."""
        ...


@dataclass(frozen=True, slots=True)
class RestLimits:
    """Bounds of requests."""

    json_bytes: int = 1 << 20
    audio_bytes: int = 32 << 20
    upload_bytes: int = 32 << 20
    message_bytes: int = 16 << 20
    stranger_bytes: int = 320 << 10


@dataclass(frozen=True, slots=True)
class Exposition:
    """What `/metrics` shows; `is_open`: to everybody."""

    read: Callable[[], bytes]
    media_type: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class RestContext:
    """Everything a route may need. `websocket_url` gives the address for a request's own host;
    `is_secure`: browsers reach it by https."""

    keys: KeyRing
    rates: Rates
    meter: Meter
    client_tokens: ClientTokens
    readiness: Readiness
    discovery: Discovery
    voice_streams: VoiceStreams
    conversations: ConversationStore
    chat: Chat
    templates: Templates
    feedback: FeedbackStore
    live: SessionRegistry
    search: Search
    speech: Speech
    sockets: SocketService
    websocket_url: Callable[[str, bool], str]
    websocket_port: int
    live_sessions: Callable[[], int]
    exposition: Exposition | None = None
    features: frozenset[str] = frozenset({"voice_chat"})
    origins: tuple[str, ...] = ()
    web_session_s: float = 86_400
    is_secure: bool = False
    limits: RestLimits = field(default_factory=RestLimits)
