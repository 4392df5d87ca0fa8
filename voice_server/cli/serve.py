"""`voice-server serve`."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import structlog
import typer

from voice_server import app as wiring
from voice_server.cli.shared import ConfigFile, err, run
from voice_server.core.languages import serves
from voice_server.fakes.chaos import Trouble, raging, read_chaos
from voice_server.ops.collector import spare_collector
from voice_server.ops.logging import configure_logging
from voice_server.session.choice import Catalogue, Choice
from voice_server.settings import Settings, load_settings, unknown_variables

log = structlog.get_logger()


def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port of the voice WebSocket.", show_default=False)] = None,
    rest_port: Annotated[
        int | None, typer.Option(help="Port of the REST API and the talk page.", show_default=False)
    ] = None,
    llm_model: Annotated[
        str | None, typer.Option(help="smollm2, qwen-0.5b or qwen-1.5b.", show_default=False)
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve other machines without any API key.")
    ] = False,
    chaos: Annotated[
        str | None,
        typer.Option(
            help="Have vendors' fakes come first in their stages and fail, such as tts-drop,llm-429.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the server until Ctrl-C.

    Examples:

        voice-server serve

        voice-server serve --llm-model smollm2 --port 7000 --rest-port 7001

        VOICE_SERVER_API_KEYS=a-long-secret voice-server serve --host 0.0.0.0

        voice-server serve --chaos google-305,tts-drop
    """
    said = {
        "host": host,
        "port": port,
        "rest_port": rest_port,
        "llm_model": llm_model,
        "insecure": insecure or None,
    }
    settings = load_settings(config, said)
    troubles = read_chaos(chaos or "")
    configure_logging(settings.log_level, settings.log_format)
    for name in unknown_variables():
        log.warning("unknown environment variable ignored", variable=name)
    if troubles:
        run(_serve_in_chaos(config, said, settings, troubles))
        return
    catalogue = wiring.load_catalogue(settings)
    default = wiring.default_choice(settings, catalogue)
    if not serves(catalogue.languages, settings.language):
        log.warning(
            "nobody understands and speaks the language",
            language=settings.language,
            served=catalogue.languages,
        )
    run(_serve(settings, catalogue, default))


async def _serve_in_chaos(
    config: Path | None, said: Mapping[str, object], settings: Settings, troubles: list[Trouble]
) -> None:
    chains = {"stt": settings.stt, "llm": settings.llm, "tts": settings.tts}
    async with raging(troubles, chains) as changes:
        settings = load_settings(config, {**said, **changes})
        log.warning("fakes come first", stt=settings.stt, llm=settings.llm, tts=settings.tts)
        catalogue = wiring.load_catalogue(settings)
        await _serve(settings, catalogue, wiring.default_choice(settings, catalogue))


async def _serve(settings: Settings, catalogue: Catalogue, default: Choice) -> None:
    stop = asyncio.Event()
    embeddings = wiring.load_embeddings(settings)
    server = wiring.VoiceServer(settings, catalogue, default, embeddings)
    async with server.running():
        # Only now: until then there is nothing to drain, and a start that hangs must be given up at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        welcome = asyncio.create_task(_welcome(server, settings), name="welcome")
        await stop.wait()
        welcome.cancel()
        log.info("stopping")


async def _welcome(server: wiring.VoiceServer, settings: Settings) -> None:
    """Say so to the person who waits at the terminal; machines read the log."""
    await server.readiness.wait()
    if server.readiness.is_ready and settings.log_format == "console":
        err.print(f"Ready. Talk at {server.page_url} (Ctrl-C stops the server).")
    await server.prepared.wait()
    spare_collector()
