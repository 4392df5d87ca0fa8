"""What need not be waited for is there at once; the rest is awaited as ever."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from voice_server.providers.resilient.begun import Begun

pytestmark = pytest.mark.unit


async def words(gate: asyncio.Event) -> AsyncGenerator[str, None]:
    yield "at once"
    await gate.wait()
    yield "later"
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)  # an end may take its time
        gate.clear()


async def test_a_stream_is_only_waited_for_where_it_waits() -> None:
    gate = asyncio.Event()
    stream = words(gate)
    first = Begun(anext(stream, None))
    assert first.is_over
    assert await first == "at once"
    second = Begun(anext(stream, None))
    assert not second.is_over
    asyncio.get_running_loop().call_soon(gate.set)
    assert await second == "later"


async def test_a_wait_can_be_cut_short() -> None:
    gate = asyncio.Event()
    gate.set()
    stream = words(gate)
    assert [await anext(stream), await anext(stream)] == ["at once", "later"]
    third = Begun(anext(stream, None))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await third
    assert not gate.is_set()


async def test_an_error_at_once_is_raised_at_once() -> None:
    async def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Begun(broken())
