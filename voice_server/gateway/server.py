"""The WebSocket server, on the `websockets` library's asyncio API."""

import asyncio
import math
import socket as network
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from voice_server.errors import LimitError, SocketClosed
from voice_server.gateway.binary_frame import binary_frame
from voice_server.gateway.door import Door, Refusal
from voice_server.gateway.limits import GatewayLimits
from voice_server.gateway.socket import Handshake, Socket

log = structlog.get_logger()

NATIVE_PATHS = frozenset({"/", "/ws", "/v1/ws"})
_CLOSE_S = 5.0
_NO_PAGE = "Here are WebSockets only. The page to talk on is at the other port: 8080, unless set otherwise.\n"
_SEND_BUFFER_BYTES = 256 << 10

Serve = Callable[[Socket, Handshake], Awaitable[None]]


class _Watched(ServerConnection):
    """Counts what comes in: a stranger may send only so much, and who sends nothing at all is dead.

    Live audio takes a short way: the library takes a dozen steps for each of fifty frames a second.
    """

    stranger_bytes: int | None = None
    heard_at_s = 0.0
    take: Callable[[bytes], bool] | None = None
    is_awaited = False  # somebody waits in `recv`, so that all before is dealt with

    def data_received(self, data: bytes) -> None:
        self.heard_at_s = self.loop.time()
        if self.stranger_bytes is not None:
            self.stranger_bytes -= len(data)
            if self.stranger_bytes < 0:
                self.transport.abort()
                return
        if self.take is not None:
            data = self._take_audio(data, self.take)
        if data:
            super().data_received(data)

    def _take_audio(self, data: bytes, take: Callable[[bytes], bool]) -> bytes:
        """Hand on what is live audio and nothing else; gives the rest."""
        at = 0
        while (
            at < len(data)
            and self.is_awaited
            and not self.recv_messages.frames
            and not self.protocol.reader.buffer
            and self.protocol.current_size is None
            and self.protocol.state is State.OPEN
            and (frame := binary_frame(data, at)) is not None
            and len(frame.payload) <= (self.protocol.max_message_size or math.inf)
            and take(frame.payload)
        ):
            at = frame.end
        return data[at:]

    @property
    def is_throttled(self) -> bool:
        """Whether it is we who do not read."""
        return self.recv_messages.paused


class WebsocketsSocket:
    """A `Socket` over a connection of the `websockets` library."""

    def __init__(self, connection: _Watched) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes:
        self._connection.is_awaited = True
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed
        finally:
            self._connection.is_awaited = False

    def shortcut(self, take: Callable[[bytes], bool]) -> None:
        self._connection.take = take

    async def send(self, *messages: str | bytes) -> None:
        connection = self._connection
        try:
            async with connection.send_context():  # the way of its own `send`, once for all
                for message in messages:
                    if isinstance(message, str):
                        connection.protocol.send_text(message.encode())
                    else:
                        connection.protocol.send_binary(message)
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._connection.close(code, reason)
        except TimeoutError:
            self._connection.transport.abort()

    def hold(self) -> None:
        self._connection.transport.pause_reading()

    def release(self) -> None:
        if not self._connection.is_throttled:
            self._connection.transport.resume_reading()

    def admit(self) -> None:
        self._connection.stranger_bytes = None


class VoiceSocketServer:
    """Accepts sockets and hands them on.

    Args:
        serve_socket: lives with a socket until it is closed.
    """

    def __init__(
        self,
        serve_socket: Serve,
        door: Door,
        limits: GatewayLimits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._serve_socket = serve_socket
        self._door = door
        self._limits = limits
        self._tls = tls
        self._server: Server | None = None
        self._connections: set[_Watched] = set()
        self._watch: asyncio.Task[None] | None = None

    async def start(self, listener: network.socket) -> None:
        """Serve who connects there."""
        self._server = await serve(
            self._live,
            sock=listener,
            ssl=self._tls,
            create_connection=_Watched,
            process_request=self._judge,
            compression=None,
            max_size=self._limits.message_bytes,
            open_timeout=self._limits.handshake_s,
            ping_interval=self._limits.ping_s,
            ping_timeout=None,  # see _watch_for_the_dead
            close_timeout=_CLOSE_S,
            server_header="voice_server",
            backlog=512,
        )
        self._watch = asyncio.create_task(self._watch_for_the_dead(), name="watch for the dead")

    async def stop(self) -> None:
        """Stop listening and close what is still open."""
        if self._watch is not None:
            self._watch.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        handshake = _handshake(connection, request)
        if getattr(request, "method", "GET") != "GET":
            return _answer(Refusal(405, "A WebSocket begins with GET.\n", {"Allow": "GET"}))
        if handshake.path not in NATIVE_PATHS:
            known = ", ".join(sorted(NATIVE_PATHS))
            return _answer(Refusal(404, f"There is no {handshake.path} here; use {known}.\n"))
        if "upgrade" not in handshake.headers:
            return _answer(Refusal(426, _NO_PAGE, {"Upgrade": "websocket", "Connection": "Upgrade"}))
        refusal = self._door.judge(handshake)
        return None if refusal is None else _answer(refusal)

    async def _live(self, connection: ServerConnection) -> None:
        assert isinstance(connection, _Watched) and connection.request is not None
        handshake = _handshake(connection, connection.request)
        _bound_send_buffer(connection)
        connection.stranger_bytes = self._limits.unauthenticated_bytes
        connection.heard_at_s = asyncio.get_running_loop().time()
        self._connections.add(connection)
        try:
            with self._door.entered(handshake):
                await self._serve_socket(WebsocketsSocket(connection), handshake)
        except LimitError as error:
            await connection.close(1013, error.message)
        except Exception:  # a task begins here; the library would log it as its own and say nothing of why
            log.exception("connection broke")
            await connection.close(1011, "internal error")
        finally:
            self._connections.discard(connection)

    async def _watch_for_the_dead(self) -> None:
        """Whoever sent no byte for long while we were reading is gone.

        The library's own ping time-out is off: while input is throttled, pongs wait behind the audio.
        """
        while True:
            await asyncio.sleep(self._limits.dead_after_s / 8)
            now_s = asyncio.get_running_loop().time()
            for connection in list(self._connections):
                if connection.is_throttled:
                    connection.heard_at_s = now_s
                elif now_s - connection.heard_at_s > self._limits.dead_after_s:
                    log.info("dead connection dropped")
                    connection.transport.abort()


def _handshake(connection: ServerConnection, request: Request) -> Handshake:
    path, _, query = request.path.partition("?")
    address = connection.remote_address
    headers = {name.lower(): value for name, value in request.headers.raw_items()}
    return Handshake(path, query, headers, address[0] if address else "")


def _closed(closed: ConnectionClosed) -> SocketClosed:
    """A page that is left says 1001: its caller may come back."""
    return SocketClosed(is_clean=closed.rcvd is not None and closed.rcvd.code == 1000)


def _answer(refusal: Refusal) -> Response:
    body = refusal.message.encode()
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
    headers.update(refusal.headers)
    return Response(refusal.status, HTTPStatus(refusal.status).phrase, headers, body)


def _bound_send_buffer(connection: ServerConnection) -> None:
    """Else the kernel swallows minutes of audio for a reader who has stopped reading."""
    sock = connection.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(network.SOL_SOCKET, network.SO_SNDBUF, _SEND_BUFFER_BYTES)
        sock.setsockopt(network.IPPROTO_TCP, network.TCP_NODELAY, 1)
