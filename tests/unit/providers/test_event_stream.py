import asyncio

import pytest

from voice_server.providers.local.event_stream import EventServer

pytestmark = pytest.mark.unit


async def test_who_was_just_connecting_is_cut_too() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        server = EventServer(f"http://127.0.0.1:{port}/", "a-key")
        asking = asyncio.create_task(anext(server.post({}), None))
        await asyncio.sleep(0)
        await server.cut()
        done, _ = await asyncio.wait({asking}, timeout=5)
        asking.cancel()
        assert done and isinstance(asking.exception(), ConnectionAbortedError)
