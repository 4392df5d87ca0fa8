import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual time": VirtualTimeLoop}


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Whatever a test starts is over when it is."""
    yield
    for _ in range(3):  # what was cancelled a moment ago may still be on its way out
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
