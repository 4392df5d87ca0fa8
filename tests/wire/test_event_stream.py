"""The connections to the local model's server are broken off when it is closed."""

import asyncio

import pytest

from voice_server.providers.local.event_stream import EventServer

pytestmark = pytest.mark.wire


async def test_a_stream_whose_socket_is_just_being_opened_is_cut_too() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        server = EventServer(f"http://127.0.0.1:{port}/v1/chat/completions", "key")
        events = server.post({})
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await server.cut()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionAbortedError):
                await first
            with pytest.raises(ConnectionAbortedError):
                await anext(server.post({}))
