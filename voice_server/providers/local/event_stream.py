"""The little HTTP that the llama.cpp server inside this process needs: POST, then server-sent events.

A client library would do, but closing the socket is how a generation is stopped, and that must be ours to
the letter: leaving the generator resets the connection at once.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

_LONGEST_LINE_BYTES = 1 << 20


class HttpStatusError(Exception):
    """The server answered something else than 200. `body` is its answer, parsed where it was JSON."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


class EventServer:
    """POSTs to one server."""

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url)
        self._key = key
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False

    async def post(self, payload: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """POST JSON and yield the JSON of each event, up to `[DONE]`.

        Raises:
            HttpStatusError: refused.
            OSError, EOFError, ValueError: the connection broke or was cut, or what came is no event stream.
        """
        reader, writer = await asyncio.open_connection(
            self._address.hostname, self._address.port, limit=_LONGEST_LINE_BYTES
        )
        self._open.add(writer)
        try:
            if self._is_cut:  # perhaps only while this was connecting
                raise ConnectionAbortedError("the server is being closed")
            writer.write(self._request(json.dumps(payload).encode()))
            status, headers = await _read_head(reader)
            blocks = _read_body(reader, headers)
            if status != 200:
                raise HttpStatusError(status, _parse(b"".join([block async for block in blocks])))
            async for event in _split_events(blocks):
                if event != b"[DONE]":
                    yield json.loads(event)
        finally:
            self._open.discard(writer)
            writer.transport.abort()  # a reset, not a farewell: the server's next write fails: it stops

    async def cut(self) -> None:
        """Break every stream, those that wait their turn too; returns when the sockets are closed."""
        self._is_cut = True
        writers = tuple(self._open)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    def _request(self, body: bytes) -> bytes:
        head = (
            f"POST {self._address.path} HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    if headers.get("transfer-encoding") != "chunked":
        yield await reader.readexactly(int(headers.get("content-length", "0")))
        return
    while size_bytes := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size_bytes + 2))[:-2]


async def _split_events(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for block in blocks:
        *events, rest = (rest + block).split(b"\n\n")
        for event in events:
            kind, _, data = event.strip().partition(b":")
            if kind == b"data":
                yield data.strip()
            elif kind == b"error":
                raise HttpStatusError(500, _parse(data))


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
