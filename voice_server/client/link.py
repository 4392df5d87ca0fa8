"""One session's messages, over one connection after another."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from voice_server.client.errors import (
    ClientError,
    ConnectionLost,
    ProtocolViolation,
    ServerError,
    ServerTimeout,
)
from voice_server.client.frames import (
    AudioChunk,
    AudioStreamStart,
    Error,
    InitAck,
    ServerFrame,
    read_frame,
)

_WAITING_FRAMES = 4096  # then reading pauses, and the server feels it
_LARGEST_MESSAGE_BYTES = 1024 * 1024
_NORMAL_CLOSE = 1000
_REASON_BYTES = 300
_REFUSALS = frozenset({"not_configured", "language_not_served"})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds. `frame_s` is the longest silence between two frames while iterating:
    a little more than the server lets a session idle."""

    connect_s: float = 10.0
    init_s: float = 10.0
    send_s: float = 30.0
    frame_s: float = 150.0
    close_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame and when it came, in seconds of the event loop's clock."""

    frame: ServerFrame
    at_s: float


class Finished(Exception):
    """The server closed the session cleanly; there are no more frames."""


class Link:
    """Sends messages and hands out frames in order, numbered.

    One task reads, so that arrival times are true whatever the consumer does.
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeouts: Timeouts) -> None:
        self._url = url
        self._headers = headers
        self._timeouts = timeouts
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._arrivals: asyncio.Queue[Arrival | None] = asyncio.Queue(_WAITING_FRAMES)
        self._end: Finished | ClientError | None = None
        self._dropped = False
        self._turn_id = ""
        self._next_index = 0
        self.last_seq = 0

    async def open(self, init: str) -> InitAck:
        """Connect, send `init`, wait for its answer and begin to read.

        Raises:
            ServerError: the server refused the session.
            ConnectionLost: no connection, or it broke before the answer.
            ServerTimeout: no answer in time.
        """
        await self._disconnect()
        self._socket = await self._connect()
        try:
            async with asyncio.timeout(self._timeouts.init_s):
                ack = await self._handshake(self._socket, init)
        except TimeoutError as error:
            self._cut()
            raise ServerTimeout(
                f"{self._url} did not answer `init` within {self._timeouts.init_s:g} s."
            ) from error
        except BaseException:
            self._cut()
            raise
        self._end = None
        self._dropped = False
        self._reader = asyncio.create_task(self._read(self._socket), name="voice client reader")
        return ack

    async def send(self, message: str | bytes) -> None:
        """Send one message; waits while the server takes no more.

        Raises:
            ConnectionLost: there is no connection.
            ServerTimeout: the server took nothing for too long.
        """
        if self._socket is None:
            raise ConnectionLost("The client is not connected. Enter it with `async with` first.")
        try:
            async with asyncio.timeout(self._timeouts.send_s):
                await self._socket.send(message)
        except TimeoutError as error:
            raise ServerTimeout(f"The server took no message for {self._timeouts.send_s:g} s.") from error
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def receive(self, timeout_s: float) -> Arrival:
        """The next frame.

        Raises:
            Finished: the session was closed cleanly, and every frame has been handed out.
            ClientError: the connection broke, and every frame that came before has been handed out.
            ServerTimeout: no frame in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not (self._arrivals.empty() and self._end is not None):
                    arrival = await self._arrivals.get()
                    if arrival is not None:
                        return arrival
        except TimeoutError as error:
            raise ServerTimeout(f"The server sent nothing for {timeout_s:g} s.") from error
        raise self._end.with_traceback(None)

    def abort(self) -> None:
        """Cut the TCP connection without a close frame, as a lost network does. Frames go on after `open`."""
        self._dropped = True
        if self._socket is not None:
            self._socket.transport.abort()

    async def wait_closed(self) -> None:
        """Wait for the server to close.

        Raises:
            ServerTimeout: it did not.
        """
        if self._reader is None:
            return
        done, _ = await asyncio.wait({self._reader}, timeout=self._timeouts.close_s)
        if not done:
            raise ServerTimeout(f"The server did not close within {self._timeouts.close_s:g} s.")

    async def close(self) -> None:
        """Close with 1000, or cut the connection if that takes too long."""
        if self._socket is not None:
            try:
                async with asyncio.timeout(self._timeouts.close_s):
                    await self._socket.close()
            except TimeoutError:
                self._socket.transport.abort()
        await self._disconnect()

    def _cut(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None

    async def _disconnect(self) -> None:
        self._cut()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait(
                {self._reader}
            )  # to pass over its cancellation would pass over one of ours, too
            self._reader = None

    async def _connect(self) -> ClientConnection:
        try:
            return await connect(
                self._url,
                additional_headers=self._headers,
                compression=None,
                open_timeout=self._timeouts.connect_s,
                close_timeout=self._timeouts.close_s,
                max_size=_LARGEST_MESSAGE_BYTES,
                ping_timeout=None,  # while the server throttles our audio, its pongs wait behind it
            )
        except TimeoutError as error:
            raise ServerTimeout(
                f"No connection to {self._url} within {self._timeouts.connect_s:g} s."
            ) from error
        except InvalidURI as error:
            raise ClientError(
                f"{self._url} is no address of a voice server; one begins with ws:// or wss://."
            ) from error
        except InvalidStatus as error:
            status = error.response.status_code
            reason = error.response.body[:_REASON_BYTES].decode(errors="replace").strip()
            raise ConnectionLost(
                f"{self._url} refused the connection with HTTP {status}" + (f": {reason}" if reason else "."),
                http_status=status,
            ) from error
        except (OSError, InvalidHandshake) as error:
            raise ConnectionLost(f"No connection to {self._url}: {error}.") from error

    async def _handshake(self, socket: ClientConnection, init: str) -> InitAck:
        refusal: Error | None = None
        try:
            await socket.send(init)
            while True:
                message = await socket.recv()
                frame = read_frame(message) if isinstance(message, str) else None
                match frame:
                    case InitAck():
                        if not frame.resumed:
                            self.last_seq = frame.seq
                            self._turn_id = ""
                        return frame
                    case Error(code=code) if code in _REFUSALS:
                        raise server_error(frame)  # another `init` might do, but this one is answered
                    case Error():
                        refusal = frame  # final if a close follows; else a remark, kept for the iterator
                        self._arrivals.put_nowait(self._arrived(frame))
                    case _:
                        pass  # `connection_established`, and what a later protocol may add
        except ConnectionClosed as error:
            if refusal is None:
                raise _lost(error) from error
            raise server_error(refusal) from error

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                message = await socket.recv()
                frame = self._numbered(message)
                await self._arrivals.put(self._arrived(frame))
                self._count(frame)  # only now: a frame given up while waiting for room must be sent again
        except ConnectionClosed as error:
            closed_cleanly = error.rcvd is not None and error.rcvd.code == _NORMAL_CLOSE
            end: Finished | ClientError = Finished() if closed_cleanly else _lost(error)
        except ProtocolViolation as error:
            end = error
        if not self._dropped:
            self._end = end
            await self._arrivals.put(None)  # wakes the consumer

    def _numbered(self, message: str | bytes) -> ServerFrame:
        frame = read_frame(message) if isinstance(message, str) else self._binary_chunk(message)
        if frame.seq not in (0, self.last_seq + 1):
            raise ProtocolViolation(
                f"Message {frame.seq} came after {self.last_seq}: "
                + ("one was sent twice." if frame.seq <= self.last_seq else "some are lost.")
            )
        return frame

    def _count(self, frame: ServerFrame) -> None:
        if isinstance(frame, AudioStreamStart):
            self._turn_id, self._next_index = frame.turn_id, 0
        elif isinstance(frame, AudioChunk):
            self._next_index = frame.index + 1
        if frame.seq:
            self.last_seq = frame.seq

    def _binary_chunk(self, data: bytes) -> AudioChunk:
        return AudioChunk(turn_id=self._turn_id, data=data, index=self._next_index, seq=self.last_seq + 1)

    @staticmethod
    def _arrived(frame: ServerFrame) -> Arrival:
        return Arrival(frame, asyncio.get_running_loop().time())


def server_error(frame: Error) -> ServerError:
    """The exception for an `error` frame."""
    return ServerError(frame.code, frame.message, stage=frame.stage, retryable=frame.retryable)


def _lost(error: ConnectionClosed) -> ConnectionLost:
    code = error.rcvd.code if error.rcvd is not None else 1006
    reason = error.rcvd.reason if error.rcvd is not None else ""
    return ConnectionLost(
        f"The connection was closed with {code}" + (f": {reason}." if reason else "."), close_code=code
    )
