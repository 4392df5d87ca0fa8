"""The server is killed in the middle of its work: what it had told somebody is in the database."""

import asyncio
import random
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.wire.rig import eventually, frame_of
from voice_server.client import ClientError, VoiceClient
from voice_server.client.frames import AiResponse
from voice_server.store.database import Database
from voice_server.store.tables import MessageRow

ROOT = Path(__file__).parents[2]
CALLERS = 8
Told = set[tuple[str, str, str]]


async def talk(url: str, told: Told) -> None:
    """Turn after turn, noting what the server acknowledges, until it is gone."""
    try:
        async with VoiceClient.connect(url) as client:
            for n in range(1_000):
                await client.send_text(f"question {n}")
                reply = await frame_of(client, AiResponse)
                told.add((reply.conversation_id, "user", f"question {n}"))
                told.add((reply.conversation_id, "assistant", reply.text))
                await client.stop()
    except ClientError:
        pass


@pytest.mark.parametrize("round_", range(3))
async def test_nothing_that_was_told_is_lost(tmp_path: Path, round_: int) -> None:
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.wire.scripted_server", url, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    told: Told = set()
    try:
        address = (await process.stdout.readline()).decode().strip()
        talking = [asyncio.create_task(talk(address, told)) for _ in range(CALLERS)]
        await eventually(lambda: len(told) >= 4 * CALLERS)
        await asyncio.sleep(random.Random(round_).random() * 0.3)
    finally:
        process.kill()
        await process.wait()
    await asyncio.gather(*talking)

    database = Database(url)
    await database.open()
    async with database.read() as session:
        kept = (await session.execute(select(MessageRow))).scalars().all()
    await database.close()
    # Of a reply that was cut, what was heard is what counts; the whole of it is kept beside that.
    assert told <= {(one.conversation_id, one.role, one.written or one.content) for one in kept}
