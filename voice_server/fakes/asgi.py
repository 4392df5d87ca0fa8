"""What the fakes that speak HTTP and WebSocket share: a real server on a port of its own, and its faults."""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import uvicorn

from voice_server.fakes.script import PATIENCE_S, RETRY_AFTER_S, STATUS, Call, Fault, Script, Seen

GARBAGE = b"<html><body>Welcome to the router.</body></html>"

Asgi = dict[str, Any]


class AsgiFake:
    """One server. A fake overrides `http`, and `websocket` where its vendor has one."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen = Seen()
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._socket = socket.socket()
        self._running: asyncio.Task[None] | None = None
        self._bug: Exception | None = None  # of the fake, which must not pass for a fault of the vendor

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    async def __aenter__(self) -> Self:
        # It complains of calls without an end, which are what some faults are.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._socket.bind(("127.0.0.1", 0))
        self._running = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.is_listening.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._server.should_exit = True
        await self._running
        if self._bug is not None:
            raise self._bug

    async def until_left(self) -> None:
        """Wait until nobody is connected.

        Raises:
            TimeoutError: somebody stays.
        """
        async with asyncio.timeout(PATIENCE_S):
            while self._server.server_state.connections:  # uvicorn has no event of it
                await asyncio.sleep(0.01)

    async def http(self, exchange: "Exchange") -> None:
        """Answer a request: there is nothing here."""
        await exchange.answer(404, b"{}", "application/json")

    async def websocket(self, link: "Link") -> None:
        """Answer a handshake, and what comes after it: a vendor without WebSockets takes none."""
        await link.close(1008)

    async def _serve(self, scope: Asgi, receive: Any, send: Any) -> None:
        try:
            if scope["type"] == "websocket":
                await self.websocket(Link(scope, receive, send))
            else:
                exchange = Exchange(scope, receive, send)
                await exchange.read()
                await self.http(exchange)
        except Exception as error:
            self._bug = error
            raise


class Exchange:
    """A request that was read, and its answer."""

    def __init__(self, scope: Asgi, receive: Any, send: Any) -> None:
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode()
        self.method: str = scope["method"]
        self.headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.body = b""
        self._receive, self._send = receive, send

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    async def read(self) -> None:
        """Take the whole body."""
        while True:
            message = await self._receive()
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                return

    async def answer(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        """Answer at once."""
        await self._begin(status, content_type, {**headers, "content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body})

    async def play(
        self, seen: Seen, call: Call, script: Script, content_type: str, pieces: Sequence[bytes]
    ) -> None:
        """Answer `call` in pieces, or fail as the script says."""
        seen.begin(call)
        fault, is_abandoned = script.fault, False
        try:
            match fault:
                case Fault.REJECTED_KEY | Fault.RATE_LIMITED | Fault.BROKEN:
                    await self._refuse(fault)
                case Fault.GARBAGE:
                    await self.answer(200, GARBAGE, "text/html")
                case Fault.HANG:
                    is_abandoned = await self._left()
                case Fault.DROP:
                    await self._begin(200, content_type, {})
                    await self._piece(pieces[0])  # returning here breaks the connection
                case Fault.STALL:
                    await self._begin(200, content_type, {})
                    await self._piece(pieces[0])
                    is_abandoned = await self._left()
                case _:
                    await self._begin(200, content_type, {})
                    for piece in pieces:
                        await self._piece(piece)
                    await self._send({"type": "http.response.body"})
        finally:
            seen.end(abandoned=is_abandoned)

    async def _refuse(self, fault: Fault) -> None:
        status = STATUS[fault]
        body = json.dumps({"type": "error", "error": {"message": "no", "type": f"fault_{status}"}})
        headers = {"retry-after": str(RETRY_AFTER_S)} if status == 429 else {}
        await self.answer(status, body.encode(), "application/json", **headers)

    async def _begin(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        pairs = [(b"content-type", content_type.encode())]
        pairs += [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def _piece(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _left(self) -> bool:
        """Wait until the other side is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        return True


class Link:
    """A WebSocket."""

    def __init__(self, scope: Asgi, receive: Any, send: Any) -> None:
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode()
        self.headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self._receive, self._send = receive, send

    async def accept(self) -> None:
        await self._receive()
        await self._send({"type": "websocket.accept"})

    async def refuse(self, fault: Fault) -> None:
        """Answer the handshake with an HTTP status."""
        status = STATUS[fault]
        headers = [(b"retry-after", str(RETRY_AFTER_S).encode())] if status == 429 else []
        await self._receive()
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": b"{}"})

    async def receive(self) -> Any | None:
        """The next message, parsed; None when the other side is gone."""
        message = await self._receive()
        return None if message["type"] == "websocket.disconnect" else json.loads(message["text"])

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int) -> None:
        await self._send({"type": "websocket.close", "code": code})


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
