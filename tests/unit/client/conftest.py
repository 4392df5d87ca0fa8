from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import serve

from tests.unit.client.scripted_server import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    async with serve(scripted.serve_one, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        scripted.url = f"ws://127.0.0.1:{port}"
        yield scripted
