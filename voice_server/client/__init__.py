"""Our own asyncio client of the native wire."""

from voice_server.client.errors import (
    ClientError,
    ConnectionLost,
    ProtocolViolation,
    ServerError,
    ServerTimeout,
)
from voice_server.client.link import Timeouts
from voice_server.client.sender import SessionFields
from voice_server.client.turn import TimedChunk, TurnResult
from voice_server.client.voice import VoiceClient

__all__ = [
    "ClientError",
    "ConnectionLost",
    "ProtocolViolation",
    "ServerError",
    "ServerTimeout",
    "SessionFields",
    "TimedChunk",
    "Timeouts",
    "TurnResult",
    "VoiceClient",
]
