"""Never silent: every stage fails in every way, and the caller always hears something."""

import asyncio
from itertools import product

import pytest

from tests.wire.faults import SENTENCES, STAGES, WORDS, Row, every_fault, server
from tests.wire.rig import frame_of
from voice_server.client import VoiceClient
from voice_server.client.frames import AudioChunk
from voice_server.fakes.script import PATIENCE_S, Fault, Script

MOST_SILENT_MS = 4_000


async def test_no_fault_leaves_the_caller_in_silence() -> None:
    before = asyncio.all_tasks()
    rows = await every_fault()
    assert {(row.stage, row.fault, row.fallback) for row in rows} == set(
        product(STAGES, Fault, (True, False))
    )
    # A machine that is busy elsewhere may have been the silent one: what is wrong is looked at again, alone.
    wrong: list[str] = []
    for stage, fallback in dict.fromkeys((row.stage, row.fallback) for row in rows if complaints(row)):
        again = await every_fault([stage], [fallback])
        wrong += [f"{stage} {row.fault} {fallback}: {it}" for row in again for it in complaints(row)]
    assert not wrong, "\n".join(wrong)
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=PATIENCE_S)
    assert not {task for task in left if not task.done()}


def complaints(row: Row) -> list[str]:
    """What is wrong with a turn."""
    found = []
    if row.silent_ms > MOST_SILENT_MS:
        found.append(f"silent for {row.silent_ms:.0f} ms")
    if not row.audio:
        found.append("nothing was heard")
    spoken = {sentence: row.audio.count(Script().sound_of(sentence)) for sentence in SENTENCES}
    found += [f"{count} times: {sentence}" for sentence, count in spoken.items() if count > 1]
    reply = "".join(WORDS)
    has_begun = row.stage == "llm" and row.fault in (Fault.STALL, Fault.DROP)
    if row.fallback and not has_begun:
        if set(row.errors) - {"slow"}:
            found.append(f"told of {row.errors}")
        if (row.reply, row.served_by) != (reply, "anthropic" if row.stage == "llm" else "elevenlabs"):
            found.append(f"{row.served_by} answered {row.reply!r}")
        found += [f"not spoken: {sentence}" for sentence, count in spoken.items() if count != 1]
    else:
        if not set(row.errors) - {"slow"}:
            found.append("no error was told")
        if not reply.startswith(row.reply):
            found.append(f"wrote {row.reply!r}")
    return found


@pytest.mark.parametrize("stage", ["llm", "tts"])
async def test_cutting_in_is_seen_by_the_vendor(stage: str) -> None:
    """It streams, and its call is closed: within 100 ms on a quiet machine, and this one may be busy."""
    script = Script(WORDS)
    async with server(stage, True, script, asyncio.Lock()) as (url, fake):
        script.fault = Fault.STALL
        async with VoiceClient.connect(url) as client:
            await client.send_text("Hello")
            await frame_of(client, AudioChunk)
            assert fake.seen.under_way == 1
            await client.stop()
            async with asyncio.timeout(1.0):
                await fake.seen.until(lambda seen: seen.abandoned == 1)


@pytest.mark.parametrize("fallback", [True, False])
def test_a_row_that_is_silent_is_complained_of(fallback: bool) -> None:
    silent = Row("llm", Fault.HANG, fallback, 4_001, (), "", b"", "openai")
    assert "silent for 4001 ms" in complaints(silent)
    assert "nothing was heard" in complaints(silent)
