import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.conversation.caller import Models, models
from tests.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual time": VirtualTimeLoop}


@pytest.fixture(scope="session")
def ears() -> Iterator[Models]:
    with models() as loaded:
        yield loaded
