"""One socket's life: greeted, identified, attached to a session, read and written until one side is done."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from voice_server.clock import Clock
from voice_server.core import wire
from voice_server.core.caller import Caller
from voice_server.dialects.base import Dialect
from voice_server.errors import (
    AuthenticationError,
    ForbiddenError,
    LimitError,
    ProtocolError,
    SocketClosed,
    VoiceServerError,
)
from voice_server.gateway.limits import Allowance, GatewayLimits
from voice_server.gateway.socket import Socket
from voice_server.ids import SessionId, new_session_id
from voice_server.session.outbox import Numbered
from voice_server.session.registry import SessionRegistry
from voice_server.session.session import Session

log = structlog.get_logger()

Identify = Callable[[wire.Init], Awaitable[tuple[Caller, wire.Init]]]
"""Who an `init` comes from, and the `init` as it counts; raises AuthenticationError or ForbiddenError."""

GOING_AWAY, POLICY, INTERNAL = 1001, 1008, 1011
NOT_AUTHENTICATED, NO_INIT, OVER_LIMIT = 4401, 4408, 4429

_MOST_AT_ONCE = 16  # messages written together; then the slow reader's deadline begins anew

_CLOSE_CODES = {
    "server_going_away": GOING_AWAY,
    "failed": INTERNAL,
    "key_revoked": NOT_AUTHENTICATED,
    "over_limit": OVER_LIMIT,
}


class _Goodbye(Exception):
    """This side ends the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Connection:
    """One reader (the task that calls `run`) and one writer.

    Args:
        caller: who it is, where the handshake told; None: the `init` must tell.
    """

    def __init__(
        self,
        socket: Socket,
        dialect: Dialect,
        registry: SessionRegistry,
        identify: Identify,
        clock: Clock,
        limits: GatewayLimits,
        *,
        caller: Caller | None,
        session_id: SessionId | None = None,
    ) -> None:
        self._socket = socket
        self._dialect = dialect
        self._registry = registry
        self._identify = identify
        self._clock = clock
        self._limits = limits
        self._caller = caller
        self._session_id = session_id or new_session_id()
        self._session: Session | None = None
        self._writer: asyncio.Task[None] | None = None
        self._is_resumable = False
        self._allowance = Allowance(limits.control_frames_per_s, limits.control_burst)
        self._leniency = Allowance(limits.control_frames_per_s, limits.control_burst)
        self._is_over_pace = False
        self._is_sent_away = False
        self._faults: deque[float] = deque()
        self._closing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the peer is gone or was sent away."""
        is_clean = False
        try:
            await self._say(wire.Established(self._session_id))
            if self._caller is None:
                await self._meet()
            while True:
                await self._read(await self._socket.receive())
                if self._session is not None and self._session.is_over:
                    break  # the writer says good-bye
        except SocketClosed as closed:
            # Whoever is sent away only answers our close, by many libraries with 1000.
            is_clean = closed.is_clean and not self._is_sent_away
        except _Goodbye as goodbye:
            await self._socket.close(goodbye.code, goodbye.reason)
        finally:
            await self._leave(is_clean=is_clean)

    def close_soon(self, code: int, reason: str) -> None:
        """Another connection takes over, or this one is hopeless: nothing more is written to it."""
        self._is_sent_away = True
        if self._writer is not None:
            self._writer.cancel()
        if self._closing is None:
            self._closing = asyncio.create_task(self._socket.close(code, reason), name="close")

    # ── Before there is a session ────────────────────────────────────────────────────────────────

    async def _meet(self) -> None:
        """Wait for an `init` that tells who it is. Nothing else makes that wait longer.

        What the `init` asks of us has all the time it needs: a session half made would be nobody's.
        """
        deadline_s = asyncio.get_running_loop().time() + self._limits.init_s
        while self._session is None:
            try:
                async with asyncio.timeout_at(deadline_s):
                    message = await self._socket.receive()
            except TimeoutError:
                late = AuthenticationError(
                    f"No valid 'init' came within {self._limits.init_s:g} s.", code="init_timeout"
                )
                await self._say_error(late)
                raise _Goodbye(NO_INIT, "no init in time") from None
            await self._read_first(message)

    async def _read_first(self, message: str | bytes) -> None:
        try:
            inputs = self._dialect.decode(message)
        except ProtocolError as error:
            await self._say_error(error)
            raise _Goodbye(NOT_AUTHENTICATED, "not authenticated") from error
        for one in inputs:
            try:
                if not self._is_allowed(one):
                    continue
                if not isinstance(one, wire.Init) and self._caller is None:
                    raise AuthenticationError("Send 'init' with a valid API key first.")
                await self._take(one)
            except VoiceServerError as error:
                await self._report(error)

    async def _begin(self, init: wire.Init) -> None:
        """Open or resume a session for an `init`; it is acknowledged first of all."""
        self._socket.hold()
        try:
            caller, init = (self._caller, init) if self._caller else await self._identify(init)
        except (AuthenticationError, ForbiddenError) as error:
            await self._say_error(error)
            raise _Goodbye(NOT_AUTHENTICATED, "not authenticated") from error
        finally:
            self._socket.release()
        self._caller = caller
        self._socket.admit()
        self._is_resumable = self._dialect.traits.numbered
        session = self._registry.resume(caller, init.resume, self) if init.resume else None
        if session is not None:
            self._session = session
            await self._say(session.acknowledgement(resumed=True))
            self._start_writing(session)
        else:
            await self._open(init, acknowledge=True)

    async def _open(self, init: wire.Init, *, acknowledge: bool) -> Session:
        assert self._caller is not None
        try:
            session = await self._registry.open(
                self._session_id,
                self._caller,
                init,
                self,
                is_paced=self._dialect.traits.paced,
                acknowledge=acknowledge,
            )
        except AuthenticationError as error:
            await self._say_error(error)
            raise _Goodbye(NOT_AUTHENTICATED, "not authenticated") from error
        except LimitError as error:
            await self._say_error(error)
            raise _Goodbye(OVER_LIMIT, "over a limit") from error
        self._session = session
        self._start_writing(session)
        return session

    def _start_writing(self, session: Session) -> None:
        self._writer = asyncio.create_task(self._write(session), name=f"{session.id} writer")
        self._socket.shortcut(self._hear)

    # ── Reading ──────────────────────────────────────────────────────────────────────────────────

    async def _read(self, message: str | bytes) -> None:
        try:
            for one in self._dialect.decode(message):
                if self._session is not None and isinstance(one, wire.AudioIn):
                    if wait_ms := self._session.hear(one.data):
                        await asyncio.sleep(wait_ms / 1000)
                elif self._is_allowed(one):
                    await self._take(one)
        except VoiceServerError as error:
            await self._report(error)

    def _hear(self, message: bytes) -> bool:
        """Take live audio at once, if it is nothing else and in time; anything unusual is for the reader."""
        session = self._session
        if session is None or not session.is_listening:
            return False
        try:
            inputs = self._dialect.decode(message)
            if len(inputs) != 1 or not isinstance(inputs[0], wire.AudioIn):
                return False
            session.hear(inputs[0].data)
        except VoiceServerError as error:
            session.report(error)
            if self._is_fault_too_many(error):
                self.close_soon(POLICY, "too many protocol errors")
        return True

    async def _take(self, one: wire.Input) -> None:
        """The first frame makes the session; an `init` does so with its wishes."""
        if self._session is not None:
            await self._session.receive(one)
        elif isinstance(one, wire.Init):
            await self._begin(one)
        else:
            session = await self._open(wire.Init(), acknowledge=False)
            await session.receive(one)

    def _is_allowed(self, one: wire.Input) -> bool:
        """Whether there is room for one more control frame.

        As many again are dropped and told; whoever goes on beyond that is sent away.
        """
        if isinstance(one, wire.AudioIn):
            return True
        now = self._clock.now()
        if self._allowance.take(now):
            self._is_over_pace = False
            return True
        if not self._leniency.take(now):
            raise _Goodbye(POLICY, "too many frames")
        if not self._is_over_pace:
            self._is_over_pace = True
            raise LimitError(
                f"Too many frames: at most {self._limits.control_frames_per_s:g} a second. "
                "This one and what follows it at this pace are dropped.",
                code="too_many_frames",
            )
        return False

    async def _report(self, error: VoiceServerError) -> None:
        """Tell what was wrong with a frame. Who keeps breaking the rules is sent away."""
        if self._session is not None:
            self._session.report(error)
        else:
            await self._say_error(error)
        if self._is_fault_too_many(error):
            raise _Goodbye(POLICY, "too many protocol errors")

    def _is_fault_too_many(self, error: VoiceServerError) -> bool:
        if error.stage != "protocol" or error.code == "no_stream":
            return False
        now_s = self._clock.now() / 1000
        self._faults.append(now_s)
        while self._faults[0] < now_s - self._limits.protocol_errors_s:
            self._faults.popleft()
        return len(self._faults) >= self._limits.protocol_errors

    # ── Writing ──────────────────────────────────────────────────────────────────────────────────

    async def _write(self, session: Session) -> None:
        outbox, now_s = session.outbox, asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as patience:
                while unsent := await outbox.take():
                    for at in range(0, len(unsent), _MOST_AT_ONCE):
                        batch = unsent[at : at + _MOST_AT_ONCE]
                        patience.reschedule(now_s() + self._limits.slow_reader_s)
                        await self._send(batch)
                        outbox.sent(batch[-1].seq)
                    patience.reschedule(None)
            await self._socket.close(_CLOSE_CODES.get(session.end_reason, 1000), session.end_reason)
        except SocketClosed:
            pass  # the reader learns of it too
        except TimeoutError:
            log.info("slow reader let go", session=session.id)
            self._is_sent_away = True
            await self._socket.close(POLICY, "too slow")
        except Exception:  # a task begins here: nobody would hear of it, and the caller would wait for ever
            log.exception("writer broke", session=session.id)
            session.end("failed")  # a connection that resumes could not be sent it either
            await self._socket.close(INTERNAL, "internal error")

    async def _say(self, output: wire.Output) -> None:
        """Say something outside the session: unnumbered, never repeated."""
        try:
            async with asyncio.timeout(self._limits.slow_reader_s):
                await self._socket.send(*self._dialect.encode(output, 0))
        except TimeoutError as error:
            raise _Goodbye(POLICY, "too slow") from error

    async def _say_error(self, error: VoiceServerError) -> None:
        await self._say(wire.ErrorOut.of(error))

    async def _send(self, batch: Sequence[Numbered]) -> None:
        encode = self._dialect.encode
        await self._socket.send(*(message for one in batch for message in encode(one.output, one.seq)))

    # ── The end ──────────────────────────────────────────────────────────────────────────────────

    async def _leave(self, *, is_clean: bool) -> None:
        session, writer = self._session, self._writer
        if session is not None:
            if is_clean or not self._is_resumable:
                session.end("closed")
            else:
                session.detach(self)
        if writer is not None:
            if session is None or not session.is_over:
                writer.cancel()
            await asyncio.wait({writer})
            self._writer = None  # it ends in an error that knows it: a circle that would outlive the call
        if self._closing is not None:
            await asyncio.wait({self._closing})
