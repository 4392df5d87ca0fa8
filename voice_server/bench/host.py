"""`python -m voice_server.bench.host`: our server as it is in production, to be measured.

Its providers are null, or with `--offline` those of this machine. Everything else is real: the door,
validation, the ledger, history, metrics; conversations are in memory.
"""

import asyncio
import json
import signal
import sys

import uvloop

from voice_server.app import VoiceServer, default_choice, load_catalogue
from voice_server.bench.journal import MemoryJournal
from voice_server.bench.null import VOICE, NullLanguageModel, NullSpeechToText, NullTextToSpeech
from voice_server.bench.work import Task, Work, task
from voice_server.ops.collector import spare_collector
from voice_server.ops.logging import configure_logging
from voice_server.session.choice import Catalogue
from voice_server.settings import Settings, load_settings

# One machine plays all the callers; with real models short replies show as much as long ones.
_SETTINGS = {
    "rest_port": 0,
    "max_tokens": 48,
    "database_url": "sqlite://",
    "limits": {"connections_per_address": 10_000},
}


def null_server(port: int, work: Work) -> VoiceServer:
    """A server on this port (0: a free one) whose providers are null."""
    settings = Settings.model_validate({**_SETTINGS, "port": port, "tts_voice": VOICE.id})
    catalogue = Catalogue([NullSpeechToText(work)], [NullLanguageModel(work)], [NullTextToSpeech(work)])
    return VoiceServer(settings, catalogue, default_choice(settings, catalogue), journal=MemoryJournal())


def offline_server(port: int, llm_model: str) -> VoiceServer:
    """A server on this port with the models of this machine."""
    settings = load_settings(None, {**_SETTINGS, "port": port, "llm_model": llm_model})
    settings = settings.model_copy(update={"stt": ("local",), "llm": ("local",), "tts": ("local",)})
    catalogue = load_catalogue(settings)
    return VoiceServer(settings, catalogue, default_choice(settings, catalogue), journal=MemoryJournal())


async def main(wished: Task) -> None:
    """Serve until told to stop; the ports are said on standard output once the models are warm."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if wished.offline is None:
        server = null_server(wished.port, wished.work)
    else:
        server = offline_server(wished.port, wished.offline)
    async with server.running():
        await server.readiness.wait()
        spare_collector()  # as `voice-server serve` does
        sys.stdout.write(json.dumps({"port": server.port, "rest_port": server.rest_port}) + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    configure_logging("warning", "json")
    uvloop.run(main(task()))
