"""`voice-server chat`: a typed conversation."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from voice_server.cli.shared import ConfigFile, ServerKey, ServerUrl, err, find_server, run, wait_until_ready
from voice_server.client import ConnectionLost, VoiceClient
from voice_server.client.frames import Error, MessageChunk, Metrics, SessionEnded
from voice_server.settings import load_settings

_KEEP_ALIVE_S = 30.0  # people think longer than a server lets a session idle
_READ_BYTES = 64 * 1024


def chat(url: ServerUrl = None, api_key: ServerKey = None, config: ConfigFile = None) -> None:
    """Type to the server and read its answers; leave with /quit or Ctrl-D.

    Examples:

        voice-server chat

        echo "What is the capital of France?" | voice-server chat
    """
    address, key = find_server(load_settings(config), url, api_key)
    if not run(_chat(address, key)):
        raise typer.Exit(1)


async def _chat(url: str, api_key: str | None) -> bool:
    """Whether every line was answered."""
    is_well = True
    async with VoiceClient.connect(url, api_key=api_key) as client:
        with err.status(f"Calling {url} …") as spinner:
            await wait_until_ready(client, spinner)
        async with _kept_alive(client):
            if sys.stdin.isatty():
                err.print("Type and press Enter; /quit leaves.")
            async for line in _lines():
                if line == "/quit":
                    break
                if line:
                    is_well = await _answer(client, line) and is_well
    return is_well


async def _answer(client: VoiceClient, line: str) -> bool:
    """Print the reply as it is written."""
    await client.send_text(line, audio=False)
    has_answered = False
    async for frame in client:
        match frame:
            case MessageChunk():
                typer.echo(frame.chunk, nl=False)
                has_answered = True
            case Metrics():
                typer.echo()
                return has_answered
            case Error():
                err.print(f"voice-server: {frame.message}", markup=False)
                if frame.turn_id is None and frame.stage != "limit":
                    return False
                has_answered = False
            case SessionEnded():
                raise ConnectionLost(f"The server ended the session ({frame.reason}); start the chat again.")
            case _:
                pass
    raise ConnectionLost("The server ended the session; start the chat again.")


@asynccontextmanager
async def _kept_alive(client: VoiceClient) -> AsyncIterator[None]:
    async def ping() -> None:
        while True:
            await asyncio.sleep(_KEEP_ALIVE_S)
            await client.ping()

    pinging = asyncio.create_task(ping())
    try:
        yield
    finally:
        pinging.cancel()
        await asyncio.gather(pinging, return_exceptions=True)  # a lost connection is met by whoever uses it


async def _lines() -> AsyncIterator[str]:
    """What is typed, line by line, while the event loop goes on.

    A daemon thread reads the descriptor itself: a thread of an executor, or one inside `sys.stdin`, would
    hold up the end of the process until somebody pressed Enter.
    """
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        while True:
            data = os.read(sys.stdin.fileno(), _READ_BYTES)
            try:
                loop.call_soon_threadsafe(typed.put_nowait, data)
            except RuntimeError:
                return  # the loop is closed: nobody listens any more
            if not data:
                return

    threading.Thread(target=read, name="typing", daemon=True).start()
    pending = b""
    _prompt()
    while data := await typed.get():
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").strip()
            _prompt()
    if pending:
        yield pending.decode(errors="replace").strip()


def _prompt() -> None:
    if sys.stdin.isatty():
        err.print("You: ", end="")
