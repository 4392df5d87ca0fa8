"""Live audio goes past the frame parser: the same must arrive, however the network cuts it up."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from websockets.frames import CloseCode, Frame, Opcode

from tests.wire.rig import eventually
from voice_server.errors import SocketClosed
from voice_server.gateway.door import Door
from voice_server.gateway.limits import GatewayLimits
from voice_server.gateway.server import VoiceSocketServer
from voice_server.gateway.socket import Handshake, Socket

pytestmark = pytest.mark.wire

LIMITS = GatewayLimits(message_bytes=50_000, unauthenticated_bytes=1 << 30)


@dataclass
class Listener:
    """Takes most binary messages as they arrive, and receives the others."""

    chance: random.Random
    got: list[str | bytes] = field(default_factory=list)
    taken: int = 0
    is_over: bool = False

    async def live_with(self, socket: Socket, _: Handshake) -> None:
        socket.shortcut(self.take)
        try:
            while True:
                self.got.append(await socket.receive())
                if self.chance.random() < 0.3:
                    await asyncio.sleep(0.001)  # meanwhile nothing may be taken
        except SocketClosed:
            self.is_over = True

    def take(self, message: bytes) -> bool:
        if self.chance.random() < 0.2:
            return False
        self.got.append(message)
        self.taken += 1
        return True


@asynccontextmanager
async def heard_by(listener: Listener) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection by hand to somebody who listens."""
    server = VoiceSocketServer(listener.live_with, Door(LIMITS, ()), LIMITS)
    port = socket.create_server(("127.0.0.1", 0))
    await server.start(port)
    reader, writer = await asyncio.open_connection(*port.getsockname())
    try:
        writer.write(
            b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
    finally:
        writer.close()
        await server.stop()


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def messages(chance: random.Random) -> Iterator[tuple[str | bytes, bytes]]:
    """What is said, and its frames."""
    for number in range(150):
        data = chance.randbytes(chance.choice([0, 1, 125, 126, 640, 640, 640, 3_200, 20_000]))
        match chance.randrange(10):
            case 0:
                yield f"text {number}", frame(Opcode.TEXT, f"text {number}".encode())
            case 1:
                at = chance.randint(0, len(data))
                begin = frame(Opcode.BINARY, data[:at], fin=False)
                yield data, begin + frame(Opcode.PING, b"?") + frame(Opcode.CONT, data[at:])
            case _:
                yield data, frame(Opcode.BINARY, data)


def pieces(frames: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """The stream as a network brings it: mostly a message at a time, at times cut or joined anywhere."""
    rest = b""
    for one in frames:
        rest += one
        at = len(rest) if chance.random() < 0.8 else chance.randint(0, len(rest))
        yield rest[:at]
        rest = rest[at:]
    yield rest


@pytest.mark.parametrize("seed", range(6))
async def test_all_arrives_in_order_however_it_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    said = list(messages(chance))
    listener = Listener(chance)
    async with heard_by(listener) as (_, writer):
        for piece in pieces([sent for _, sent in said], chance):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0 if chance.random() < 0.5 else 0.002)
        await eventually(lambda: len(listener.got) >= len(said))
    assert listener.got == [message for message, _ in said]
    assert 10 < listener.taken < len(said) - 10


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param(Frame(Opcode.BINARY, b"12").serialize(mask=False), CloseCode.PROTOCOL_ERROR, id="bare"),
        pytest.param(b"\xc2" + frame(Opcode.BINARY, b"12")[1:], CloseCode.PROTOCOL_ERROR, id="extension"),
        pytest.param(frame(Opcode.BINARY, bytes(50_001)), CloseCode.MESSAGE_TOO_BIG, id="too big"),
        pytest.param(
            frame(Opcode.BINARY, b"12", fin=False) + frame(Opcode.BINARY, b"34"),
            CloseCode.PROTOCOL_ERROR,
            id="two at once",
        ),
    ],
)
async def test_what_breaks_the_rules_ends_the_connection(wrong: bytes, code: CloseCode) -> None:
    listener = Listener(random.Random(1))
    async with heard_by(listener) as (reader, writer):
        writer.write(frame(Opcode.BINARY, b"audio") + wrong + frame(Opcode.BINARY, b"more"))
        told = await reader.read()
        writer.close()
        await eventually(lambda: listener.is_over)
    assert int(code).to_bytes(2, "big") in told
    assert listener.got == [b"audio"]


async def test_nothing_is_heard_after_a_goodbye() -> None:
    listener = Listener(random.Random(1))
    async with heard_by(listener) as (reader, writer):
        goodbye = frame(Opcode.CLOSE, int(CloseCode.NORMAL_CLOSURE).to_bytes(2, "big"))
        writer.write(frame(Opcode.BINARY, b"audio") + goodbye + frame(Opcode.BINARY, b"more"))
        await reader.read()
        writer.close()
        await eventually(lambda: listener.is_over)
    assert listener.got == [b"audio"]
