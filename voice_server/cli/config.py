"""`voice-server config check`."""

from collections.abc import Callable, Iterator
from functools import partial

import typer
from rich.table import Table

from voice_server import app as wiring
from voice_server.audio.suppress import open_rnnoise
from voice_server.cli.shared import ConfigFile, err, run, wide
from voice_server.core.languages import serves
from voice_server.errors import ConfigurationError, ModelFileError
from voice_server.ops.recorder import make_folder
from voice_server.providers.local.weights import WeightStore
from voice_server.settings import Settings, explain, load_settings, unknown_variables

cli = typer.Typer(help="The settings in force.", no_args_is_help=True)


@cli.callback()
def _config() -> None:
    """The settings in force."""


@cli.command()
def check(config: ConfigFile = None) -> None:
    """Show every setting, where it was set, and what would keep the server from starting.

    Example:

        voice-server config check --config voice.toml
    """
    settings = load_settings(config)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold", max_width=60)
    table.add_column("set by", no_wrap=True)
    for one in explain(settings):
        table.add_row(one.name, one.value, one.source)
    wide.print(table)
    for remark in remarks(settings):
        err.print(f"Note: {remark}", markup=False)
    faults = list(faults_of(settings))
    for fault in faults:
        err.print(f"Fault: {fault}", markup=False)
    if faults:
        err.print("The server cannot start with these settings.")
        raise typer.Exit(1)
    err.print("The server can start with these settings.")


def remarks(settings: Settings) -> Iterator[str]:
    """What an operator should know though the server starts."""
    yield from unknown_variables()
    if settings.reaches_beyond_this_machine:
        if settings.insecure and not settings.api_keys:
            yield (
                f"everybody who reaches {settings.host} may talk, because insecure is set; set api_keys "
                "unless that is meant."
            )
        if settings.tls_cert is None:
            yield (
                f"{settings.host} is served without TLS, so keys and voices can be read on the way; set "
                "tls_cert and tls_key, or put a proxy with TLS before the server."
            )
    try:
        served = wiring.load_catalogue(settings).languages
    except ConfigurationError:
        return  # a fault, and told as one
    if not serves(served, settings.language):
        yield (
            f"no provider both understands and speaks the language {settings.language}; served are "
            f"{', '.join(served)}. See docs/providers.md for one that does."
        )


def faults_of(settings: Settings) -> Iterator[str]:
    """What keeps the server from starting, or from answering: a sentence with a remedy each."""
    checks: tuple[Callable[[], object], ...] = (
        lambda: _check_database(settings),
        lambda: wiring.tls_context(settings),
        lambda: wiring.default_choice(settings, wiring.load_catalogue(settings)),
        lambda: wiring.load_embeddings(settings),
        lambda: wiring.load_tools(settings),
        lambda: wiring.prices_of(settings),
        lambda: wiring.rates_of(settings),
        lambda: settings.turn_detection.suppress_noise and open_rnnoise(),
        lambda: _check_folder(settings),
        *(partial(WeightStore(settings.models_dir).path, name) for name in settings.needed_models),
    )
    for check in checks:
        try:
            check()
        except (ConfigurationError, ModelFileError) as error:
            yield error.message


def _check_folder(settings: Settings) -> None:
    if settings.recording.folder is not None:
        make_folder(settings.recording.folder)


def _check_database(settings: Settings) -> None:
    """Whether it can be one, and whether strangers would be served from it."""
    has_keys = run(wiring.has_stored_keys(settings)) or bool(settings.api_keys)
    wiring.check_exposure(settings, has_keys=has_keys)
