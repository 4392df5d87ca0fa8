"""What several commands need: options, where the server is, where words go."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.status import Status as Spinner

from voice_server.audio.clip import decode_clip
from voice_server.client import VoiceClient
from voice_server.client.frames import Error, Status
from voice_server.client.link import server_error
from voice_server.core.wire import StatusKind
from voice_server.errors import VoiceServerError
from voice_server.settings import Settings

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A TOML file with settings.", show_default=False)
]
ServerUrl = Annotated[
    str | None,
    typer.Option(help="The server, such as wss://voice.example; by default the one of the settings."),
]
ServerKey = Annotated[
    str | None,
    typer.Option("--api-key", help="The server's key; by default the first one of the settings."),
]

LONGEST_RECORDING_S = 300.0

# What people said is printed as it is: `:cat:` stays `:cat:`.
out = Console(highlight=False, soft_wrap=True, emoji=False)
"""Answers: what another program may want to read."""
wide = Console(highlight=False, width=1000, emoji=False)
"""For tables whose words must be whole: an id that is cut short can be used for nothing."""
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
"""Everything else."""

_Result = TypeVar("_Result")


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a command's coroutine; Ctrl-C cancels it and becomes KeyboardInterrupt, however it then ends."""
    is_interrupted = False
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)

        def interrupt() -> None:
            nonlocal is_interrupted
            is_interrupted = True
            task.cancel()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            return loop.run_until_complete(task)
        except (Exception, asyncio.CancelledError):
            if is_interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            loop.remove_signal_handler(signal.SIGINT)


def find_server(settings: Settings, url: str | None, api_key: str | None) -> tuple[str, str | None]:
    """The address to connect to, and the key to bring. Our own key goes to our own server only."""
    if url is not None:
        return url, api_key
    if api_key is None and settings.api_keys:
        api_key = settings.api_keys[0].key.get_secret_value()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    scheme = "wss" if settings.tls_cert else "ws"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}", api_key


def read_file(file: Path) -> bytes:
    """The bytes of a file.

    Raises:
        VoiceServerError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise VoiceServerError(f"{file} cannot be read: {error.strerror}.") from error


def read_recording(file: Path) -> bytes:
    """A recording of any kind, as PCM16 mono at 16 kHz.

    Raises:
        VoiceServerError: it cannot be read, or holds no sound.
    """
    data = read_file(file)
    try:
        return decode_clip(data, None, LONGEST_RECORDING_S)
    except VoiceServerError as error:
        raise type(error)(f"{file}: {error.message}") from error


def check_can_write(file: Path) -> None:
    """Find out before the work, not after it, that there is no such folder.

    Raises:
        VoiceServerError: a file cannot be written there.
    """
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise VoiceServerError(f"{file} cannot be written: name a file in a folder that exists.")


async def wait_until_ready(client: VoiceClient, spinner: Spinner) -> None:
    """Until the server's models are loaded.

    Raises:
        ServerError: one of them cannot be.
    """
    async for frame in client:
        match frame:
            case Status(status=StatusKind.WARMING) if err.is_terminal:
                spinner.update("The server is loading its models …")
            case Status(status=StatusKind.WARMING):
                err.print("The server is loading its models …")
            case Status(status=StatusKind.READY):
                return
            case Error(turn_id=None):
                raise server_error(frame)
            case _:
                pass
