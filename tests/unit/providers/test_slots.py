import asyncio
from contextlib import AsyncExitStack

import pytest

from voice_server.providers.local.slots import Slots

pytestmark = pytest.mark.unit


async def slot_of(slots: Slots, *prompt: str) -> int:
    async with slots.take(prompt) as slot:
        return slot


async def test_a_conversation_goes_on_where_it_was_read_and_a_new_one_elsewhere() -> None:
    slots = Slots(2)
    one = ["Why is the sea salty?"]
    first = await slot_of(slots, *one)
    second = await slot_of(slots, "Hello there, how are you?")
    assert second == 1 - first, "nothing is shared: the slot that rested longest"
    assert await slot_of(slots, *one, "It is old.", "How old?") == first
    assert await slot_of(slots, "Good morning.") == second


async def test_what_follows_a_dropped_draft_goes_where_the_draft_was() -> None:
    slots = Slots(2)
    await slot_of(slots, "Hello there, how are you?")
    draft = await slot_of(slots, "Why is the sea")
    await slot_of(slots, "Hello there, how are you?")
    assert await slot_of(slots, "Why is the sea so blue?") == draft


async def test_a_slot_is_one_reply_and_more_wait() -> None:
    slots = Slots(2)
    async with AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(slots.take(["Hi."])) for _ in range(2)]
        assert sorted(taken) == [0, 1]
        third = asyncio.create_task(slot_of(slots, "Hi."))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not third.done()
    assert await third in taken


async def test_warming_reads_into_every_slot() -> None:
    slots, read = Slots(3), set[int]()

    async def read_ahead() -> None:
        async with slots.take(["Hi"]) as slot:
            read.add(slot)
            await asyncio.sleep(0)

    await asyncio.gather(*(read_ahead() for _ in range(3)))
    assert read == {0, 1, 2}
