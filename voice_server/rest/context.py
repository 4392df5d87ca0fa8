"""What the REST API is handed by `app`: the services, and what to do with a WebSocket."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from voice_server.core.wire import Changes
from voice_server.services.chat import Chat
from voice_server.services.discovery import Discovery
from voice_server.services.keys import KeyRing
from voice_server.services.readiness import Readiness
from voice_server.services.search import Search
from voice_server.services.speech import Speech
from voice_server.services.templates import Templates
from voice_server.services.voice_streams import VoiceStreams
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
    async def send(self, message: str | bytes) -> None: ...
    async def close(self, code: int, reason: str) -> None: ...
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


class LiveSessions(Protocol):
    """The voice sessions that are open."""

    async def change(self, owner: str, conversation_id: str, changes: Changes) -> None:
        """Have an owner's sessions in this conversation go on with these changes from their next turn."""
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
class RestContext:
    """Everything a route may need. `websocket_url` gives the address for a request's own host."""

    keys: KeyRing
    readiness: Readiness
    discovery: Discovery
    voice_streams: VoiceStreams
    conversations: ConversationStore
    chat: Chat
    templates: Templates
    feedback: FeedbackStore
    live: LiveSessions
    search: Search
    speech: Speech
    sockets: SocketService
    websocket_url: Callable[[str, bool], str]
    websocket_port: int
    live_sessions: Callable[[], int]
    features: frozenset[str] = frozenset({"voice_chat"})
    origins: tuple[str, ...] = ()
    limits: RestLimits = field(default_factory=RestLimits)
