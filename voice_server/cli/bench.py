"""`voice-server bench`: what this machine carries."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from voice_server.bench.capacity import Card, Row, Step, measure_models, measure_null, steps_of
from voice_server.cli.shared import ConfigFile, check_can_write, err, out, run
from voice_server.providers.local.weights import WeightStore
from voice_server.settings import Settings, load_settings

cli = typer.Typer(no_args_is_help=True, help="Measure this machine.")

_LOCAL = ("whisper-tiny-en", "piper-joe")


@cli.callback()
def _bench() -> None:
    pass  # so that `capacity` stays a word of its own


@cli.command()
def capacity(
    config: ConfigFile = None,
    only: Annotated[
        Literal["null", "offline"] | None,
        typer.Option(help="Null providers only, or the offline models only.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option(min=3, help="How long each number of callers talks.")] = 7.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the card to this file.", show_default=False)
    ] = None,
) -> None:
    """Print how many callers this machine carries, in two or three minutes.

    With providers that do nothing it shows the server alone: callers per core. With the offline models it
    shows what a caller on this machine really gets. Do not run it beside anything that needs the processor.

    Examples:

        voice-server bench capacity

        voice-server bench capacity --only null --json capacity.json
    """
    if json_file is not None:
        check_can_write(json_file)
    settings = load_settings(config, {})
    card = run(_measure(settings, only, seconds))
    _show(card)
    if json_file is not None:
        json_file.write_text(card.as_json() + "\n", "utf-8")


async def _measure(settings: Settings, only: str | None, seconds: float) -> Card:
    present = {status.model.name for status in WeightStore(settings.models_dir).list() if status.present}
    has_models = present.issuperset((*_LOCAL, settings.llm_model))
    rows: list[Row] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("starting …", total=None)

        def tell(step: Step) -> None:
            progress.update(bar, advance=1, description=f"{step.providers}, {step.report.callers} callers")

        if only != "offline":
            for mode in ("ptt", "vad"):
                progress.reset(bar, total=steps_of("null"), description=f"null, {mode}")
                rows.append(await measure_null(mode, seconds, tell))
        if only != "null" and has_models:
            progress.reset(bar, total=steps_of("offline"), description=settings.llm_model)
            rows.append(await measure_models(settings.llm_model, 2 * seconds, tell))
    if only != "null" and not has_models:
        err.print("The offline models are not all here (`voice-server models pull`): they are left out.")
    return Card(rows)


def _show(card: Card) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for row in card.rows:
        mode = {"ptt": "push to talk", "vad": "open microphone"}[row.mode]
        table.add_column(f"{row.providers}, {mode}", justify="right")
    lines: dict[str, list[str]] = {}
    for row in card.rows:
        for name, value in _lines(row).items():
            lines.setdefault(name, [])
            lines[name] += ["-"] * (card.rows.index(row) - len(lines[name])) + [value]
    for name, values in lines.items():
        table.add_row(name, *values)
    out.print(table)
    for row in card.rows:
        if row.failed_at is not None:
            out.print(f"{row.providers}, {row.mode}: with {row.failed_at} callers {row.why}.")


def _lines(row: Row) -> dict[str, str]:
    if row.held is None:
        return {"callers held": "none"}
    report = row.held.report
    more = "" if row.failed_at is not None else " or more"
    lines = {
        "callers held": f"{report.callers}{more}",
        "core used, %": f"{report.core_percent:g}",
        "CPU ms a session-second": f"{report.cpu_ms_per_session_second:g}",
        "memory a session, MB": f"{report.mb_per_session:g}",
        "loop lag p99, ms": "-" if row.held.loop_lag_p99_ms is None else f"≤ {row.held.loop_lag_p99_ms:g}",
        "first sound p50 / p95 / p99, ms": _three(
            (report.first_audio_p50_ms, report.first_audio_p95_ms, report.first_audio_p99_ms)
        ),
    }
    for stage, values in row.held.stages.items():
        lines[f"{stage.removesuffix('_ms')} p50 / p95 / p99, ms"] = _three(values)
    return lines


def _three(values: tuple[float | None, ...]) -> str:
    return " / ".join("-" if value is None else f"{value:.1f}" for value in values)
