"""`python -m voice_server.bench.host`: our server as it is in production, its providers null.

Everything else is real: the door, validation, the ledger, history, metrics; conversations are in memory.
"""

import asyncio
import signal

import uvloop

from voice_server.app import VoiceServer, default_choice
from voice_server.bench.null import NullLanguageModel, NullSpeechToText, NullTextToSpeech
from voice_server.bench.work import Task, Work, task
from voice_server.ops.logging import configure_logging
from voice_server.session.choice import Catalogue
from voice_server.settings import Settings


def null_server(port: int, work: Work) -> VoiceServer:
    """A server on this port (0: a free one) whose providers are null."""
    settings = Settings.model_validate(
        {
            "port": port,
            "rest_port": 0,
            "tts_voice": "tone",
            # One machine plays all the callers.
            "limits": {"connections_per_address": 10_000, "connections": 10_000},
        }
    )
    catalogue = Catalogue([NullSpeechToText(work)], [NullLanguageModel(work)], [NullTextToSpeech(work)])
    return VoiceServer(settings, catalogue, default_choice(settings, catalogue))


async def main(wished: Task) -> None:
    """Serve until told to stop; the ports are said on standard output."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = null_server(wished.port, wished.work)
    async with server.running():
        print(f'{{"port": {server.port}, "rest_port": {server.rest_port}}}', flush=True)  # noqa: T201
        await stop.wait()


if __name__ == "__main__":
    configure_logging("warning", "json")
    uvloop.run(main(task()))
