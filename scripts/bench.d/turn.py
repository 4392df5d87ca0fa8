"""What a caller waits for, and what a quiet caller costs.

For each language model a server is started on this machine and warmed. The spoken questions of tests/data are
played to it in real time, each in a session of its own; the stages of each turn are those of `metrics`.
`client` is what the caller measures: from the last voiced sample sent to the first sound received. The
replies are transcribed by the local speech-to-text and compared with their texts (`word_error_rate`). Last,
sessions with an open microphone and nobody speaking are counted in processor time.
"""

import argparse
import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from rich.console import Console
from rich.table import Table

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.audio.resample import resample_clip
from voice_server.audio.wav import read_wav
from voice_server.client import ClientError, TurnResult, VoiceClient
from voice_server.client.frames import Status
from voice_server.core.wire import StatusKind
from voice_server.providers import registry
from voice_server.providers.base import FinalHeard, SpeechToText, SttHints
from voice_server.providers.local.normalise import speakable
from voice_server.providers.local.weights import WeightStore

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
MODELS = ("smollm2", "qwen-1.5b")
STAGES = ("endpoint_ms", "stt_ms", "llm_first_token_ms", "tts_first_audio_ms", "response_ms")
FRAME_MS = 20
AUDIBLE = 300  # of 32768
LONGEST_TURN_S = 90.0
REPLY_RATE_HZ = 24_000
# Replies no longer than they must be, and the same in every run; neither changes how they begin.
SETTINGS = {"VOICE_SERVER_MAX_TOKENS": "64", "VOICE_SERVER_TEMPERATURE": "0"}

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and what came of it. `client_ms`: last voiced sample sent to first sound received."""

    file: str
    result: TurnResult
    client_ms: float


# ── The server ───────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def serving(model: str) -> AsyncIterator[tuple[str, Process]]:
    """A warm server's address and process; it is ended by its own id."""
    free = {"VOICE_SERVER_PORT": "0", "VOICE_SERVER_REST_PORT": "0", "VOICE_SERVER_LOG_FORMAT": "json"}
    env = {**os.environ, **SETTINGS, **free, "VOICE_SERVER_LLM_MODEL": model}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voice_server", "serve", env=env, stdout=DEVNULL, stderr=PIPE
    )
    try:
        url = await address_of(process)
        drain = asyncio.create_task(read_on(process))
        async with VoiceClient.connect(url) as client:
            await ready(client)
        yield url, process
        drain.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def address_of(process: Process) -> str:
    assert process.stderr is not None
    said = []
    async for line in process.stderr:
        said.append(line.decode())
        if line.startswith(b"{") and "websocket" in (fields := json.loads(line)):
            return str(fields["websocket"])
    raise SystemExit("The server did not start:\n" + "".join(said))


async def read_on(process: Process) -> None:
    """A server whose log nobody reads would stop."""
    assert process.stderr is not None
    async for _ in process.stderr:
        pass


async def ready(client: VoiceClient) -> None:
    async for frame in client:
        if isinstance(frame, Status) and frame.status is StatusKind.READY:
            return


def processor_seconds(process: Process) -> float:
    """What the process has used so far, all threads together."""
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ── Turns ────────────────────────────────────────────────────────────────────────────────────────


async def ask(url: str, file: str) -> Turn:
    """One question in a session of its own, over an open microphone."""
    pcm, _ = read_wav(DATA / file)
    output = {"format": "pcm16", "sample_rate": REPLY_RATE_HZ, "transport": "binary"}
    async with VoiceClient.connect(url, output_audio=output, turn_detection={"mode": "semantic"}) as client:
        await ready(client)
        await client.start_stream("pcm16", STT_RATE_HZ, 1)
        began_s = asyncio.get_running_loop().time()
        quiet = bytes(bytes_of_ms(LONGEST_TURN_S * 1000, STT_RATE_HZ))
        speaking = asyncio.create_task(client.stream_wav(pcm + quiet, frame_ms=FRAME_MS))
        try:
            result = await client.turn(timeout_s=LONGEST_TURN_S)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
    last_voiced = int(np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) > AUDIBLE)[-1])
    frame = last_voiced * 1000 // STT_RATE_HZ // FRAME_MS
    sent_s = began_s + frame * FRAME_MS / 1000
    heard_s = result.first_audio_at_s
    return Turn(file, result, float("nan") if heard_s is None else (heard_s - sent_s) * 1000)


async def ask_all(url: str, files: Sequence[str]) -> list[Turn]:
    turns = []
    for file in files:
        try:
            turn = await ask(url, file)
        except ClientError as error:
            console.print(f"  {file}: {error}")
            continue
        result = turn.result
        stages = " ".join(
            f"{value or 0:5.0f}" for stage in STAGES for value in [getattr(result.metrics, stage)]
        )
        words = " ".join(f"{result.transcript} → {result.reply}".split())
        console.print(f"  {turn.client_ms:5.0f} ms ({stages})  {words}", markup=False)
        if result.metrics.response_ms is None or result.errors or result.interrupted:
            console.print(f"  {file}: not answered in one turn")
            continue
        turns.append(turn)
    return turns


# ── Word errors ──────────────────────────────────────────────────────────────────────────────────


async def word_error_rate(turns: Sequence[Turn], stt: SpeechToText) -> float:
    """Of all replies together: as transcribed from their sound, against their texts."""
    texts, heard = [], []
    for turn in turns:
        pcm = resample_clip(turn.result.audio, REPLY_RATE_HZ, STT_RATE_HZ)
        texts.append(plain(turn.result.reply))
        heard.append(plain(await transcript(pcm, stt)))
    return float(jiwer.wer(texts, heard))


async def transcript(pcm: bytes, stt: SpeechToText) -> str:
    async with stt.open(SttHints("en")) as stream:
        stream.push(pcm)
        stream.flush(1)
        async for heard in stream:
            if isinstance(heard, FinalHeard):
                return heard.transcript.text
    raise AssertionError("a flush is answered")


def plain(text: str) -> str:
    """Words alone, numbers written alike."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", speakable(text).lower())
    text = re.sub(r"(?<=\d)\.(?=\d)", " point ", text)
    text = re.sub(r"\d+", lambda match: f" {in_words(int(match[0]))} ", text)
    return " ".join(re.findall(r"[a-z]+(?:'[a-z]+)?", text))


ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (100, "hundred"))


def in_words(number: int) -> str:
    for scale, name in SCALES:
        if number >= scale:
            rest = number % scale
            return f"{in_words(number // scale)} {name}" + (f" {in_words(rest)}" if rest else "")
    if number < 20:
        return (*ONES, *TEENS)[number]
    return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")


# ── Idle sessions ────────────────────────────────────────────────────────────────────────────────


async def idle_percent(url: str, process: Process, sound: bytes, sessions: int, seconds: float) -> float:
    """Percent of a core that one session costs while its microphone is open and nobody speaks."""
    baseline = await used_percent(process, seconds / 2)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(VoiceClient.connect(url)) for _ in range(sessions)]
        for client in clients:
            await ready(client)
        repeats = int((seconds + 5) * STT_RATE_HZ * 2 / len(sound)) + 1
        streaming = [asyncio.create_task(client.stream_wav(sound * repeats)) for client in clients]
        await asyncio.sleep(1)
        used = await used_percent(process, seconds)
        for task in streaming:
            task.cancel()
        await asyncio.gather(*streaming, return_exceptions=True)
    return (used - baseline) / sessions


async def used_percent(process: Process, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    began_s, used_s = loop.time(), processor_seconds(process)
    await asyncio.sleep(seconds)
    return 100 * (processor_seconds(process) - used_s) / (loop.time() - began_s)


# ── The report ───────────────────────────────────────────────────────────────────────────────────


def turn_report(turns: Sequence[Turn]) -> dict[str, Any]:
    report: dict[str, Any] = {"turns": len(turns)}
    for stage in STAGES:
        report |= spread(stage, [getattr(turn.result.metrics, stage) for turn in turns])
    return report | spread("client_ms", [turn.client_ms for turn in turns])


def spread(name: str, values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    stem = name.removesuffix("_ms")
    p50, p90 = np.percentile(known, [50, 90]) if known else (None, None)
    return {
        f"{stem}_p50_ms": None if p50 is None else round(float(p50), 1),
        f"{stem}_p90_ms": None if p90 is None else round(float(p90), 1),
    }


def show(reports: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for report in reports:
        table.add_column(report["model"], justify="right")
    for name in dict.fromkeys(name for report in reports for name in report if name != "model"):
        table.add_row(name, *(str(report.get(name, "-")) for report in reports))
    console.print(table)


async def measure(model: str, options: argparse.Namespace, files: Sequence[str]) -> dict[str, Any]:
    report: dict[str, Any] = {"model": model}
    turns: list[Turn] = []
    async with serving(model) as (url, process):
        console.print(f"{model}:")
        if options.only != "idle":
            turns = await ask_all(url, files)
            report |= turn_report(turns)
        if options.only != "turns":
            for name, file in (("idle", "noise.wav"), ("silent", "silence.wav")):
                sound, _ = read_wav(DATA / file)
                percent = await idle_percent(url, process, sound, options.sessions, options.seconds)
                report[f"{name}_cpu_percent_per_session"] = round(percent, 2)
    if turns:
        stt = registry.load("stt", "local", {})
        report["word_error_rate"] = round(await word_error_rate(turns, stt), 4)
        await stt.close()
    return report


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", action="append", help="a local model; again for more (default: those here)"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--only", choices=("turns", "idle"), help="measure one of the two")
    parser.add_argument("--sessions", type=int, default=10, help="how many quiet sessions")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long they are quiet")
    options = parser.parse_args()
    present = {status.model.name for status in WeightStore().list() if status.present}
    models = options.model or [model for model in MODELS if model in present]
    if not models:
        raise SystemExit("There is no language model here; run `voice-server models pull` first.")
    recordings = json.loads((DATA / "manifest.json").read_text("utf-8"))
    files = [one["file"] for one in recordings if one["kind"] == "question"]
    reports = [await measure(model, options, files) for model in models]
    show(reports)
    if options.json is not None:
        options.json.write_text(json.dumps(reports, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
