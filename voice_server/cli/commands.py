"""`voice-server` and its commands."""

import os
import sys
from typing import Annotated

import typer

from voice_server import __version__
from voice_server.cli import bench, call, chat, config, fakes, keys, models, replay, serve, speech
from voice_server.client import ClientError, ConnectionLost
from voice_server.errors import VoiceServerError

INTERRUPTED = 130

cli = typer.Typer(
    name="voice-server",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command()(serve.serve)
cli.command()(call.call)
cli.command()(chat.chat)
cli.command()(speech.transcribe)
cli.command()(speech.say)
cli.command()(fakes.fakes)
cli.command("replay")(replay.replay_recording)
cli.add_typer(models.cli, name="models")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(config.cli, name="config")
cli.add_typer(bench.cli, name="bench")


def _show_version(wished: bool) -> None:
    if wished:
        typer.echo(f"voice-server {__version__}")
        raise typer.Exit


@cli.callback(epilog="First `voice-server models pull`, then `voice-server serve`.")
def _voice_server(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """Talk with an AI on a server of your own."""


def main() -> None:
    """The `voice-server` command: errors are sentences on standard error, never a trace."""
    try:
        cli()
    except (VoiceServerError, ClientError) as error:
        sys.exit(f"voice-server: {error}{_remedy(error)}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # of `voice-server … | head`; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _remedy(error: Exception) -> str:
    match error:
        case ConnectionLost(close_code=None, http_status=None):
            return " Start the server with `voice-server serve`, or name another with --url."
        case _:
            return ""
