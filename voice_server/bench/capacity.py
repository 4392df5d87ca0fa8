"""How many callers this machine carries: the capacity card.

A server of its own is started and gets more and more callers, until they notice: until the slowest of twenty
first sounds comes over 50 ms later than for the few callers of the first step (with real models: over twice
as late), a turn is lost, or the event loop falls behind.
"""

import asyncio
import json
import os
import platform
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

from voice_server import __version__
from voice_server.bench.callers import Crowd, Load, Report, percentile
from voice_server.bench.wires import Mode, NativeWire
from voice_server.errors import ConfigurationError

__all__ = ["Card", "Row", "Step", "measure_models", "measure_null", "steps_of"]

# Ten are no load, and enough to meet the late ends of speech too, which depend on how it falls into windows.
NULL_CALLERS = (10, 100, 200, 300, 400)
MODEL_CALLERS = (1, 2, 4, 8)
_LATER_MS, _LATER_TIMES = 50.0, 2.0
_LAG_MS = 20.0
_START_S = 180.0
_PEACE_S = 1.0
_TELLS_USAGE = Path("/proc/self/schedstat").exists()

Tell = Callable[["Step"], None]


@dataclass(frozen=True, slots=True)
class Step:
    """So many callers at once, and how it went. `stages`: p50, p95, p99 of each, in milliseconds."""

    providers: str
    report: Report
    stages: Mapping[str, tuple[float | None, ...]]
    loop_lag_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """What the server carried with these providers. `held`: the most callers that noticed nothing, if any."""

    providers: str
    mode: Mode
    held: Step | None
    failed_at: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Card:
    """The machine, and what it carries."""

    rows: Sequence[Row]

    def as_json(self) -> str:
        """For other programs."""
        machine = {
            "version": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": len(os.sched_getaffinity(0)),
        }
        return json.dumps({"machine": machine, "rows": [asdict(row) for row in self.rows]}, indent=2)


def steps_of(providers: str) -> int:
    """How many steps there are at most."""
    return len(NULL_CALLERS if providers == "null" else MODEL_CALLERS)


async def measure_null(mode: Mode, talking_s: float, tell: Tell) -> Row:
    """Null providers: one core for the server, another for its callers."""
    return await _measure("null", mode, NULL_CALLERS, talking_s, (), tell)


async def measure_models(llm_model: str, talking_s: float, tell: Tell) -> Row:
    """The offline models, which take every core there is."""
    arguments = ("--offline", llm_model)
    return await _measure(llm_model, "vad", MODEL_CALLERS, talking_s, arguments, tell)


async def _measure(
    providers: str,
    mode: Mode,
    callers: Sequence[int],
    talking_s: float,
    arguments: Sequence[str],
    tell: Tell,
) -> Row:
    held: Step | None = None
    few: Report | None = None
    is_null = not arguments
    async with _serving(arguments, is_pinned=is_null) as (process, ports):
        warming = Load(1, mode, quiet_s=0, talking_s=6)
        await Crowd(NativeWire(), warming, ports["port"], process.pid).run()
        for count in callers:
            load = Load(count, mode, 0.5, talking_s)
            step = await _step(providers, load, process, ports)
            few = few or step.report
            if why := _complaint(step, few, is_null=is_null):  # the machine may have been busy: once more
                step = await _step(providers, load, process, ports)
                why = _complaint(step, few, is_null=is_null)
            tell(step)
            if why:
                return Row(providers, mode, held, count, why)
            held = step
    return Row(providers, mode, held, None, "")


async def _step(providers: str, load: Load, process: Process, ports: Mapping[str, int]) -> Step:
    await asyncio.sleep(_PEACE_S)  # those before have left
    before = await asyncio.to_thread(_lags, ports["rest_port"])
    crowd = Crowd(NativeWire(), load, ports["port"], process.pid)
    report = await crowd.run()
    after = await asyncio.to_thread(_lags, ports["rest_port"])
    stages = {
        stage: tuple(percentile(values, share) for share in (0.5, 0.95, 0.99))
        for stage, values in crowd.tally.stages.items()
    }
    return Step(providers, report, stages, _p99(before, after))


def _complaint(step: Step, few: Report, *, is_null: bool) -> str:
    """What the callers noticed; empty if nothing."""
    report = step.report
    if report.lost_turns:
        return f"{report.lost_turns} turns were lost"
    if report.first_audio_p95_ms is None or few.first_audio_p95_ms is None:
        return "nobody was answered"
    usual_ms = few.first_audio_p95_ms
    most_ms = usual_ms + _LATER_MS if is_null else _LATER_TIMES * usual_ms
    if (late_ms := report.first_audio_p95_ms) > most_ms:
        usual = f"with {few.callers}" if few.callers > 1 else "alone"
        return f"the first sound came after {late_ms:.0f} ms, {usual} after {usual_ms:.0f}"
    if is_null and step.loop_lag_p99_ms is not None and step.loop_lag_p99_ms > _LAG_MS:
        return f"the event loop was {step.loop_lag_p99_ms:.0f} ms late"
    return ""


# ── The server ───────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _serving(
    arguments: Sequence[str], *, is_pinned: bool
) -> AsyncIterator[tuple[Process, Mapping[str, int]]]:
    """A server in a process of its own, and its ports."""
    if not _TELLS_USAGE:
        raise ConfigurationError("Measuring needs Linux: other systems do not tell what a process has used.")
    command = [sys.executable, "-m", "voice_server.bench.host", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    allowed = os.sched_getaffinity(0)
    try:
        if is_pinned:
            os.sched_setaffinity(process.pid, {min(allowed)})
            os.sched_setaffinity(0, {max(allowed)})
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START_S)
        except TimeoutError:
            line = b""
        if not line:
            raise ConfigurationError("The server that was to be measured did not start; its words are above.")
        yield process, json.loads(line)
    finally:
        os.sched_setaffinity(0, allowed)
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _lags(rest_port: int) -> Mapping[float, float]:
    """The loop's lags so far: how many were at most so many seconds."""
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{rest_port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "voice_server_loop_lag_seconds_bucket"
    }


def _p99(before: Mapping[float, float], after: Mapping[float, float]) -> float | None:
    """The upper bound of the bucket in which the lag's 99th percentile lies."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    reached = [bound for bound, count in counts.items() if count >= 0.99 * total]
    return 1000 * reached[0] if total and reached else None
