"""What was opened and closed is gone."""

import asyncio
import gc
import os
from pathlib import Path

from tests.wire.rig import Served, eventually, raw, serving

MIB = 1 << 20


def resident_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def test_a_server_that_was_stopped_leaves_neither_its_models_nor_a_task() -> None:
    async def run_one() -> None:
        async with serving() as served, raw(served.url) as client:
            await client.say(type="init")
            await client.until("init_ack")

    for _ in range(3):  # what is loaded once is loaded
        await run_one()
    tasks, before_mib = asyncio.all_tasks(), resident_mib()
    for _ in range(8):
        await run_one()
    await eventually(lambda: asyncio.all_tasks() <= tasks)
    # The models of one server are over 25 MiB.
    assert resident_mib() - before_mib < 100


async def talk_briefly(served: Served) -> None:
    async with raw(served.url) as client:
        await client.say(type="init", turn_detection={"mode": "vad"})
        await client.until("init_ack")
        await client.say(type="audio_stream_start", format="pcm16", sample_rate=16_000)
        for _ in range(5):
            await client.socket.send(bytes(640))
        await client.say(type="message", message="hello")
        await client.until("metrics")
        await client.say(type="end")
        await client.closed()


async def test_sessions_that_have_ended_are_gone() -> None:
    async with serving() as served:

        async def two_hundred() -> None:
            for _ in range(4):
                await asyncio.gather(*(talk_briefly(served) for _ in range(50)))

        tasks = asyncio.all_tasks()
        await two_hundred()
        before_mib = resident_mib()
        await two_hundred()
        await eventually(lambda: served.server.sessions.count == 0)
        await eventually(lambda: asyncio.all_tasks() <= tasks)
        assert resident_mib() - before_mib < 40  # 0.2 a session
