"""Who a WebSocket belongs to and which wire it speaks, whichever port it came in by."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from voice_server.app.limits import frame_limits, gateway_limits
from voice_server.clock import Clock
from voice_server.core import wire
from voice_server.core.caller import Caller, Scope
from voice_server.dialects.base import Dialect
from voice_server.dialects.native.codec import NativeDialect
from voice_server.dialects.zeebee_stream import ZeebeeStreamDialect
from voice_server.errors import AuthenticationError, ForbiddenError, StoreError
from voice_server.gateway.connection import Connection, Identify
from voice_server.gateway.door import Door, Refusal
from voice_server.gateway.socket import Handshake, Socket
from voice_server.ids import SessionId, new_session_id
from voice_server.services.client_tokens import PREFIX as CLIENT_TOKEN
from voice_server.services.client_tokens import ClientTokens
from voice_server.services.keys import INVALID_KEY, KeyRing
from voice_server.services.voice_streams import VoiceStreams
from voice_server.session.registry import SessionRegistry
from voice_server.settings import Settings

VOICE_STREAM_PATH = "/voice/stream/"


class Sockets:
    """Serves WebSockets of both ports: path to dialect, handshake to caller."""

    def __init__(
        self,
        sessions: SessionRegistry,
        keys: KeyRing,
        client_tokens: ClientTokens,
        voice_streams: VoiceStreams,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._client_tokens = client_tokens
        self._voice_streams = voice_streams
        self._clock = clock
        self._limits = gateway_limits(settings)
        self._frame_limits = frame_limits(settings)

    async def serve(self, accepted: Socket, handshake: Handshake) -> None:
        """Live with a socket until it is closed."""
        accepted.hold()
        try:
            connection = await self._connection(accepted, handshake)
        finally:
            accepted.release()
        await connection.run()

    async def _connection(self, accepted: Socket, handshake: Handshake) -> Connection:
        dialect: Dialect
        identify: Identify
        if handshake.path.startswith(VOICE_STREAM_PATH):
            session_id = handshake.path.removeprefix(VOICE_STREAM_PATH)
            dialect = ZeebeeStreamDialect(self._limits.message_bytes)
            identify = partial(self._redeem, session_id, handshake.credential)
            caller, own_id = None, SessionId(session_id)
        else:
            dialect = NativeDialect(self._frame_limits)
            own_id = new_session_id()
            identify = partial(self._identify, own_id)
            caller = await self._caller_of(handshake, own_id)
        if caller is not None:
            accepted.admit()
        return Connection(
            accepted,
            dialect,
            self._sessions,
            identify,
            self._clock,
            self._limits,
            caller=caller,
            session_id=own_id,
        )

    async def _caller_of(self, handshake: Handshake, session_id: SessionId) -> Caller | None:
        try:
            return await self._who_brings(handshake.credential, session_id)
        except (AuthenticationError, ForbiddenError, StoreError):
            return None  # its `init` may still bring a key that is good

    async def _identify(self, session_id: SessionId, init: wire.Init) -> tuple[Caller, wire.Init]:
        return await self._who_brings(init.api_key, session_id), init

    async def _who_brings(self, credential: str | None, session_id: SessionId) -> Caller:
        if credential is not None and credential.startswith(CLIENT_TOKEN):
            caller = self._client_tokens.redeem(credential, session_id)
            if await self._keys.no_longer_good([caller]):
                raise AuthenticationError(INVALID_KEY, code="invalid_api_key")
            return caller
        caller = await self._keys.identify(credential)
        caller.demand(Scope.VOICE)
        return caller

    async def _redeem(
        self, session_id: str, credential: str | None, init: wire.Init
    ) -> tuple[Caller, wire.Init]:
        ticket = self._voice_streams.redeem(session_id, credential or init.api_key)
        changes = replace(
            init.changes,
            model=ticket.changes.model,
            tts_voice=init.changes.tts_voice or ticket.changes.tts_voice,
            language_code=init.changes.language_code or ticket.changes.language_code,
        )
        return ticket.caller, replace(
            init, user_id=ticket.user_id, conversation_id=ticket.conversation_id, changes=changes
        )


class RestSockets:
    """The same for sockets that the REST port accepted."""

    def __init__(self, sockets: Sockets, door: Door) -> None:
        self._sockets = sockets
        self._door = door

    def judge(self, path: str, query: str, headers: Mapping[str, str], peer: str) -> Refusal | None:
        """Why this request may not become a socket, if it may not."""
        return self._door.judge(Handshake(path, query, headers, peer))

    async def serve(
        self, accepted: Socket, path: str, query: str, headers: Mapping[str, str], peer: str
    ) -> None:
        """Live with a socket until it is closed."""
        handshake = Handshake(path, query, headers, peer)
        with self._door.entered(handshake):
            await self._sockets.serve(accepted, handshake)
