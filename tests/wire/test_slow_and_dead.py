"""Callers who take nothing, callers who are gone, and what they leave behind: nothing."""

import asyncio
import gc
import json
import os
import socket

import pytest

from tests.fakes.scripted import ScriptedTts
from tests.wire.rig import Raw, Served, eventually, raw, serving
from voice_server.client import VoiceClient

LONG_SPEECH = "This is said at great length. " * 40


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def upgraded(served: Served, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection by hand, with small buffers: it reads only what it is told to."""
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    reader, writer = await asyncio.open_connection(sock=plain, limit=1_024)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(text: str) -> bytes:
    """A text frame of a client, its mask all zero."""
    data = text.encode()
    return bytes([0x81, 0xFE]) + len(data).to_bytes(2, "big") + bytes(4) + data


@pytest.mark.parametrize("port", ["voice", "rest"])
async def test_a_caller_who_takes_nothing_is_let_go(port: str) -> None:
    """Megabytes wait for it; its session ends with it, and others are served meanwhile."""
    limits = {"slow_reader_s": 0.5, "resume_window_s": 1, "output_ahead_s": 1_000}
    tts = ScriptedTts(rate_hz=48_000, character_ms=200)
    async with serving(tts=tts, limits=limits) as served:
        number = served.server.port if port == "voice" else served.server.rest_port
        _, writer = await upgraded(served, number)
        writer.write(masked('{"type": "init", "output_audio": {"sample_rate": 48000}}'))
        await writer.drain()
        await eventually(lambda: served.server.sessions.count == 1)
        writer.write(masked(json.dumps({"type": "message", "message": LONG_SPEECH})))
        await writer.drain()
        await eventually(lambda: tts.replies_open == 1)
        await eventually(lambda: served.server.sessions.count == 0)
        async with raw(served.url) as caller:
            await caller.answers()
        writer.close()


async def test_a_peer_that_says_nothing_at_all_is_dropped() -> None:
    """It answers no ping: the network is gone, though no packet says so."""
    limits = {"ping_s": 0.2, "dead_after_s": 0.6, "resume_window_s": 0.2}
    async with serving(limits=limits) as served:
        reader, writer = await upgraded(served, served.server.port)
        writer.write(masked('{"type": "init"}'))
        await writer.drain()
        await eventually(lambda: served.server.sessions.count == 1)
        async with raw(served.url) as alive:  # answers pings, and says nothing else
            async with asyncio.timeout(20):
                while await reader.read(1_024):
                    pass
            await eventually(lambda: served.server.sessions.count == 1)
            await alive.answers()
        writer.close()


async def live_briefly(served: Served, number: int) -> None:
    """One of the ways in which callers come and go."""
    url = served.url if number % 2 else f"{served.rest_socket_url}/"
    match number % 5:
        case 0:
            async with raw(url) as caller:
                await caller.say(type="init")
                caller.socket.transport.abort()
        case 1:
            async with raw(url, greeted=False):
                pass
        case 2:
            async with VoiceClient.connect(url) as client:
                await client.send_text("Hello")
                client.drop()
        case 3:
            async with VoiceClient.connect(url) as client:
                await client.start_stream()
                await client.send_audio(bytes(640))
        case _:
            async with VoiceClient.connect(url) as client:
                await client.send_text("Hello")
                await client.turn()
                await client.end()


async def test_five_hundred_callers_leave_nothing_behind() -> None:
    async with serving(limits={"resume_window_s": 0.2}) as served:

        async def callers(count: int) -> tuple[int, int]:
            for begin in range(0, count, 10):
                await asyncio.gather(*(live_briefly(served, begin + n) for n in range(10)))
            await eventually(lambda: served.server.sessions.count == 0)
            await asyncio.sleep(0.3)  # sockets that are closing are not counted as sessions
            gc.collect()
            return len(asyncio.all_tasks()), open_files()

        before = await callers(20)  # what is loaded on first use is there now
        after = await callers(500)
        assert after[0] <= before[0]
        assert after[1] <= before[1] + 2


async def test_ten_callers_at_once_are_each_answered_with_their_own_words() -> None:
    async with serving() as served:

        async def converse(number: int) -> None:
            async with VoiceClient.connect(served.url) as client:
                for turn in range(3):
                    await client.send_text(f"caller {number} turn {turn}")
                    assert (await client.turn()).reply == f"You said: caller {number} turn {turn}"

        await asyncio.gather(*(converse(number) for number in range(10)))


async def test_replies_to_the_same_socket_do_not_mix() -> None:
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="message", message="one")
        await caller.say(type="message", message="two")
        while len(caller.of_type("metrics")) < 2:
            await caller.next()
        assert_in_order(caller)


def assert_in_order(caller: Raw) -> None:
    numbers = [frame["seq"] for frame in caller.seen if frame["seq"]]
    assert numbers == list(range(1, len(numbers) + 1))
    first, second = (frame["turn_id"] for frame in caller.of_type("metrics"))
    turns = [frame["turn_id"] for frame in caller.seen if frame["type"] in ("audio_chunk", "message_chunk")]
    assert turns == sorted(turns)
    assert set(turns) <= {first, second}
