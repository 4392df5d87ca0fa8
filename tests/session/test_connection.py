"""One connection and its session, in virtual time: who is sent away, and what becomes of the session."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.session.rig import House
from voice_server.clock import LoopClock
from voice_server.core import wire
from voice_server.core.caller import Caller
from voice_server.dialects.native import NativeDialect
from voice_server.errors import SocketClosed
from voice_server.gateway.connection import Connection
from voice_server.gateway.limits import GatewayLimits
from voice_server.session.registry import SessionRegistry

pytestmark = pytest.mark.session


@dataclass
class Wire:
    """A socket without a network, and its caller, who answers a close with a close of 1000."""

    incoming: asyncio.Queue[str | bytes | None] = field(default_factory=asyncio.Queue)
    told: list[dict[str, Any]] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> str | bytes:
        message = await self.incoming.get()
        if message is None:
            raise SocketClosed(is_clean=True)
        return message

    async def send(self, *messages: str | bytes) -> None:
        if self.closed is not None:
            raise SocketClosed(is_clean=False)
        self.told += [json.loads(one) for one in messages]
        self.news.set()

    async def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = code, reason
            self.incoming.put_nowait(None)
        self.news.set()

    def shortcut(self, take: Callable[[bytes], bool]) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...
    def admit(self) -> None: ...

    # ── Its caller ───────────────────────────────────────────────────────────────────────────────

    def say(self, **fields: Any) -> None:
        self.incoming.put_nowait(json.dumps(fields))

    def of_type(self, frame_type: str) -> list[dict[str, Any]]:
        return [frame for frame in self.told if frame["type"] == frame_type]

    async def until(self, frame_type: str) -> dict[str, Any]:
        while not (found := self.of_type(frame_type)):
            self.news.clear()
            await self.news.wait()
        return found[0]

    async def until_closed(self) -> tuple[int, str]:
        while self.closed is None:
            self.news.clear()
            await self.news.wait()
        return self.closed


@dataclass
class Gateway:
    """Connections to one house."""

    registry: SessionRegistry
    limits: GatewayLimits = GatewayLimits()
    identify_s: float = 0.0
    served: list[asyncio.Task[None]] = field(default_factory=list)

    def connect(self, caller: Caller | None = None) -> Wire:
        wire_, clock = Wire(), LoopClock()
        connection = Connection(
            wire_, NativeDialect(), self.registry, self._identify, clock, self.limits, caller=caller
        )
        self.served.append(asyncio.create_task(connection.run()))
        return wire_

    async def _identify(self, init: wire.Init) -> tuple[Caller, wire.Init]:
        await asyncio.sleep(self.identify_s)
        return Caller(), init


@asynccontextmanager
async def standing(house: House | None = None, **settings: Any) -> AsyncIterator[Gateway]:
    house = house or House()
    gateway = Gateway(house.registry(), **settings)
    try:
        yield gateway
    finally:
        await gateway.registry.drain(0)
        await asyncio.wait(gateway.served)
        house.workers.shutdown()


async def test_one_that_was_taken_over_from_cannot_say_good_bye_for_the_session() -> None:
    async with standing() as gateway:
        old = gateway.connect()
        old.say(type="init")
        ack = await old.until("init_ack")
        new = gateway.connect()
        wish = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": ack["seq"]}
        new.say(type="init", resume=wish)
        assert (await new.until("init_ack"))["resumed"]
        assert (await old.until_closed())[0] == 1001
        await asyncio.sleep(1)
        new.say(type="ping", timestamp=1)
        await new.until("pong")
        assert new.closed is None


async def test_who_was_too_slow_may_come_back_however_it_answers_the_close() -> None:
    async with standing(limits=GatewayLimits(slow_reader_s=2)) as gateway:
        slow = gateway.connect()
        slow.say(type="init")
        ack = await slow.until("init_ack")
        slow.send = lambda *_: asyncio.sleep(1_000)  # type: ignore[method-assign]
        slow.say(type="ping", timestamp=1)
        assert (await slow.until_closed())[0] == 1008
        await asyncio.sleep(1)
        back = gateway.connect()
        wish = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": ack["seq"]}
        back.say(type="init", resume=wish)
        assert (await back.until("init_ack"))["resumed"]


async def test_what_cannot_be_written_ends_the_session_and_the_connection() -> None:
    """Half a surrogate pair is text to Python, but not to JSON."""
    async with standing(House(llm=ScriptedLlm([["Look: \ud83d."]]))) as gateway:
        caller = gateway.connect()
        caller.say(type="init")
        caller.say(type="message", message="Hello", modalities=["text"])
        async with asyncio.timeout(30):
            assert (await caller.until_closed())[0] == 1011
        await asyncio.sleep(1)
        assert gateway.registry.count == 0


async def test_the_wait_for_an_init_is_over_when_it_is_there() -> None:
    async with standing(limits=GatewayLimits(init_s=5), identify_s=7) as gateway:
        patient = gateway.connect()
        patient.say(type="init")
        await patient.until("init_ack")
        silent = gateway.connect()
        assert (await silent.until_closed())[0] == 4408


async def test_nothing_makes_the_wait_for_an_init_longer() -> None:
    async with standing(limits=replace(GatewayLimits(), init_s=5)) as gateway:
        caller = gateway.connect()
        for _ in range(4):
            await asyncio.sleep(2)
            caller.say(type="ping")
        assert (await caller.until_closed())[0] == 4408


@pytest.mark.parametrize("frames_per_s", [100, 1_000])
async def test_a_flood_of_control_frames_between_audio_is_ended(frames_per_s: int) -> None:
    async with standing() as gateway:
        caller = gateway.connect(Caller())
        caller.say(type="init", turn_detection={"mode": "manual"})
        caller.say(type="audio_stream_start")
        for _ in range(3 * frames_per_s):
            caller.say(type="ping", timestamp=1)
            caller.incoming.put_nowait(bytes(640))
            await asyncio.sleep(1 / frames_per_s)
        assert caller.closed is not None
        assert caller.closed[0] == 1008


async def test_a_little_too_many_control_frames_are_told_and_no_more() -> None:
    async with standing() as gateway:
        caller = gateway.connect(Caller())
        caller.say(type="init")
        for _ in range(600):
            caller.say(type="ping", timestamp=1)
            await asyncio.sleep(1 / 30)
        assert caller.closed is None
        assert {error["code"] for error in caller.of_type("error")} == {"too_many_frames"}
