"""`voice-server models`: the weights of the local models."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from voice_server.cli.shared import ConfigFile, err, out
from voice_server.errors import ModelFileError
from voice_server.providers.local.manifest import Model
from voice_server.providers.local.pull import PullProgress
from voice_server.providers.local.weights import WeightStore
from voice_server.settings import load_settings

cli = typer.Typer(help="The weights of the local models: fetch, list, verify.", no_args_is_help=True)

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names as `models list` shows them; without any, what the settings need."),
]


@cli.command()
def pull(names: Names = None, config: ConfigFile = None) -> None:
    """Fetch models that are not here yet. An interrupted pull goes on where it stopped.

    Examples:

        voice-server models pull

        voice-server models pull smollm2 minilm
    """
    settings = load_settings(config)
    store = WeightStore(settings.models_dir)
    wished = names or list(settings.needed_models)
    models = {status.model.name: status.model for status in store.list()}
    missing = {status.model.name for status in store.list() if not status.present}
    if set(wished) <= models.keys() - missing:
        err.print(f"Nothing to fetch: {', '.join(wished)} {_are(wished)} in {store.root}.", markup=False)
        return
    try:
        with _Bars(models) if err.is_terminal else _Lines(models) as progress:
            store.pull(wished, progress.report)
    except KeyboardInterrupt:
        err.print("Interrupted. What has been fetched is kept; run the command again to go on.")
        raise


@cli.command("list")
def list_models(config: ConfigFile = None) -> None:
    """Show every model there is, and which of them are here."""
    settings = load_settings(config)
    store = WeightStore(settings.models_dir)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "size", "here", "needed", "licence", "purpose"):
        table.add_column(
            title, justify="right" if title == "size" else "left", no_wrap=title in ("model", "size")
        )
    for status in store.list():
        model = status.model
        needed = "yes" if model.name in settings.needed_models else ""
        table.add_row(
            model.name,
            mebibytes(model.size_bytes),
            "yes" if status.present else "no",
            needed,
            model.licence,
            model.purpose,
        )
    out.print(table)
    err.print(f"Models are kept in {store.root}.", markup=False)


@cli.command()
def verify(names: Names = None, config: ConfigFile = None) -> None:
    """Read models from the disk and compare them with what was published."""
    settings = load_settings(config)
    store = WeightStore(settings.models_dir)
    bad = 0
    for name in names or settings.needed_models:
        try:
            store.verify(name)
        except ModelFileError as error:
            bad += 1
            err.print(f"voice-server: {error.message}", markup=False)
        else:
            out.print(f"{name}: good")
    if bad:
        raise typer.Exit(1)


def mebibytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / (1 << 20):,.1f} MiB"


def _are(names: Iterable[str]) -> str:
    return "is" if len(set(names)) == 1 else "are"


class _Lines:
    """For a log: one line when a model begins, one when it is here."""

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models
        self._begun: set[str] = set()

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def report(self, progress: PullProgress) -> None:
        name, is_whole = progress.name, progress.done_bytes >= progress.total_bytes
        model = self._models[name]
        if name not in self._begun and not is_whole and progress.wheel:
            self._begun.add(name)
            err.print(f"Fetching {name}: {mebibytes(model.size_bytes)}, {model.licence}", markup=False)
        elif name in self._begun and is_whole:
            self._begun.discard(name)
            err.print(f"Fetched {name}", markup=False)


class _Bars:
    """For a terminal: one bar a model."""

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[wheel]}"),
            TimeRemainingColumn(),
            console=err,
        )

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def report(self, progress: PullProgress) -> None:
        name = progress.name
        if name not in self._tasks:
            if progress.done_bytes >= progress.total_bytes:
                return  # it was here before
            description = f"{name} [dim]{self._models[name].licence.partition(';')[0]}[/dim]"
            self._tasks[name] = self._progress.add_task(description, total=progress.total_bytes, wheel="")
        wheel = f"wheel {progress.wheel} of {progress.wheels}" if progress.wheels > 1 else ""
        self._progress.update(self._tasks[name], completed=progress.done_bytes, wheel=wheel)
