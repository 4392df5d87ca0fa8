"""Our server beside others, on the same work, in one run.

Every server is started alone on one core, warmed by one caller, and then has `--n` of them at once, played
from another core: real-time microphones that never close, the same question, the same null providers, the
same numbers of voice activity. So what is left is the server. The others are installed in environments of
their own, in the cache folder.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import venv
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import uvloop
from rich.console import Console
from rich.table import Table

from voice_server.bench.callers import Crowd, Load, Report
from voice_server.bench.wires import Heard, Mode, NativeWire, Wire
from voice_server.bench.work import LIFELIKE, Work
from voice_server.providers.local.weights import WeightStore

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
ENVIRONMENTS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "voice_server" / "bench"
START_S = 60.0

_ALLOWED = sorted(os.sched_getaffinity(0))  # once: the callers' process is about to bind itself
SERVER_CORE, CALLERS_CORE = {_ALLOWED[0]}, {_ALLOWED[-1]}

console = Console(highlight=False, soft_wrap=True)


class PlainWire:
    """What the other servers are made to speak: audio in binary messages, three texts."""

    def hello(self, mode: Mode) -> Sequence[str]:
        return []

    def on_ready(self) -> Sequence[str]:
        return []

    def begin(self) -> str:
        return '{"type":"begin"}'

    def end(self) -> str:
        return '{"type":"end"}'

    def meaning(self, text: str) -> Heard:
        kinds = {"ready": Heard.READY, "interrupted": Heard.INTERRUPTED}
        return kinds.get(json.loads(text)["type"], Heard.OTHER)

    def timings(self, text: str) -> Mapping[str, float]:
        return {}


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure: how it is started and spoken to, and what its environment holds."""

    name: str
    command: tuple[str, ...]
    wire: Wire
    packages: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """Our own server runs where this script does."""
        return ENVIRONMENTS / self.name / "bin" / "python" if self.packages else Path(sys.executable)

    def install(self) -> None:
        """Make its environment, unless it is there."""
        wished, note = "\n".join(self.packages), self.python.parent.parent / "packages"
        if not self.packages or (note.exists() and note.read_text("utf-8") == wished):
            return
        console.print(f"Installing {self.name} in {note.parent} …")
        venv.create(note.parent, with_pip=True, clear=True)
        subprocess.run([self.python, "-m", "pip", "install", "--quiet", *self.packages], check=True)
        note.write_text(wished, "utf-8")

    @property
    def version(self) -> str:
        """The version of what is measured, as its environment has it."""
        if not self.packages:
            return ""
        name = re.split(r"[\[=<>]", self.packages[0])[0]
        code = f"from importlib.metadata import version; print(version({name!r}))"
        return subprocess.run([self.python, "-c", code], capture_output=True, text=True).stdout.strip()


def _peer(name: str, *packages: str) -> Server:
    script = Path(__file__).parent / "_peers" / f"serve_{name}.py"
    return Server(name, (str(script),), PlainWire(), packages)


SERVERS = (
    Server("voice_server", ("-m", "voice_server.bench.host"), NativeWire()),
    _peer("pipecat", "pipecat-ai[websocket,silero]", "uvicorn", "uvloop"),
    _peer("livekit", "livekit-agents", "livekit-plugins-silero", "websockets", "uvloop"),
    _peer("floor", "websockets", "uvloop", "numpy", "onnxruntime"),
)


# ── One measurement ──────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def serving(server: Server, mode: Mode, has_delay: bool) -> AsyncIterator[tuple[int, Process]]:
    """Its port and its process; it is ended by its own id."""
    port = free_port()
    options = ["--port", str(port), *["--vad"] * (mode == "vad"), *["--delay"] * has_delay]
    silero = WeightStore().path("silero-vad")
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "SILERO_ONNX": str(silero)}
    process = await asyncio.create_subprocess_exec(
        server.python, *server.command, *options, env=env, cwd=ROOT, stdout=PIPE, stderr=sys.stderr
    )
    try:
        os.sched_setaffinity(process.pid, SERVER_CORE)
        await listening(port, process)
        yield port, process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def listening(port: int, process: Process) -> None:
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return
    raise SystemExit(f"The server ended with {process.returncode}.")


async def measure(server: Server, load: Load, has_delay: bool) -> Report:
    async with serving(server, load.mode, has_delay) as (port, process):
        warming = replace(load, callers=1, quiet_s=0, talking_s=5.5, barges_in=False)
        await Crowd(server.wire, warming, port, process.pid).run()
        return await Crowd(server.wire, load, port, process.pid).run()


# ── The report ───────────────────────────────────────────────────────────────────────────────────


def row_of(server: Server, load: Load, reports: Sequence[Report]) -> dict[str, Any]:
    """The medians of the repeats; lost turns and the like are added up."""
    row: dict[str, Any] = {"server": server.name, "version": server.version, "mode": load.mode}
    row |= {"n": load.callers, "runs": len(reports)}
    for name, first in asdict(reports[0]).items():
        values = [value for report in reports if (value := getattr(report, name)) is not None]
        if name in ("turns", "lost_turns", "early_replies", "barge_ins_missed"):
            row[name] = sum(values)
        elif name != "callers":
            row[name] = round(statistics.median(values), 3) if values else first
    return row


COLUMNS = {
    "server": "server",
    "mode": "mode",
    "n": "n",
    "first_audio_p50_ms": "first audio p50, ms",
    "first_audio_p95_ms": "p95, ms",
    "cpu_ms_per_session_second": "CPU ms a session-second, talking",
    "quiet_cpu_ms_per_session_second": "nobody talking",
    "mb_per_session": "MB a session",
    "barge_in_p50_ms": "barge-in p50, ms",
    "turns": "turns",
    "lost_turns": "lost",
}


def columns_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in COLUMNS if any(row[name] is not None for row in rows)]


def show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = columns_of(rows)
    for name in names:
        table.add_column(COLUMNS[name], justify="left" if name in ("server", "mode") else "right")
    for row in rows:
        table.add_row(*(cell(row[name]) for name in names))
    console.print(table)


def cell(value: object) -> str:
    return "-" if value is None else str(value)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    names = columns_of(rows)
    lines = [" | ".join(COLUMNS[name] for name in names), " | ".join("---" for _ in names)]
    lines += [" | ".join(cell(row[name]) for name in names) for row in rows]
    versions = {row["server"]: row["version"] for row in rows if row["version"]}
    note = ", ".join(f"{name} {version}" for name, version in versions.items())
    runs = max(row["runs"] for row in rows)
    made = "One run" if runs == 1 else f"Median of {runs} runs"
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n{'; '.join(filter(None, (made, note)))}."


def write(rows: Sequence[dict[str, Any]], section: str) -> None:
    """Replace the table between the marks of this section."""
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{PAGE.name} has no place for '{section}'.")
    PAGE.write_text(f"{before}{begin}\n\n{markdown(rows)}\n\n{mark}{after}", "utf-8")


async def main() -> int:
    options = arguments()
    servers = [one for one in SERVERS if not options.only or one.name in options.only]
    for server in servers:
        server.install()
    os.sched_setaffinity(0, CALLERS_CORE)
    rows = []
    for mode in options.mode:
        for callers in options.n:
            load = Load(callers, mode, options.quiet, options.seconds, options.barge, options.room)
            reports: dict[str, list[Report]] = {one.name: [] for one in servers}
            for _ in range(options.repeat):
                for server in servers:
                    report = await measure(server, load, options.delay)
                    reports[server.name].append(report)
                    console.print(
                        f"{server.name:13} {mode} n={callers}: {report.first_audio_p50_ms} / "
                        f"{report.first_audio_p95_ms} ms, {report.cpu_ms_per_session_second} ms/s, "
                        f"{report.mb_per_session} MB, {report.turns} turns, {report.lost_turns} lost"
                        f" (our own lag p99 {report.client_lag_p99_ms} ms)"
                    )
            rows += [row_of(one, load, reports[one.name]) for one in servers]
    show(rows)
    if options.delay:
        console.print(f"Ideal overlap of the providers: {Work(LIFELIKE).ideal_first_audio_ms:g} ms.")
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    if options.write:
        write(rows, section_of(options))
    return 0


def section_of(options: argparse.Namespace) -> str:
    if options.delay:
        return "delayed providers"
    if options.barge:
        return "barge-in"
    return "side by side" if len(options.n) == 1 else "more callers"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [one.name for one in SERVERS]
    parser.add_argument("--n", type=int, nargs="+", default=[25], help="callers at once")
    parser.add_argument("--mode", nargs="+", choices=get_args(Mode), default=list(get_args(Mode)))
    parser.add_argument("--only", nargs="+", choices=names, help="these servers only")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median counts")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long everybody talks")
    parser.add_argument("--quiet", type=float, default=3.0, help="how long nobody does, before")
    parser.add_argument("--barge", action="store_true", help="talk over every second reply")
    parser.add_argument("--delay", action="store_true", help="providers that take the time real ones do")
    parser.add_argument(
        "--room",
        type=lambda word: None if word == "none" else float(word),
        default=-50.0,
        help="noise where the callers are, in dBFS; none: digital silence (default: -50)",
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(uvloop.run(main()))
