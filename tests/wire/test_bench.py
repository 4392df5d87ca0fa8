"""The load that servers are measured with, and the capacity card."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voice_server.bench.callers import Crowd, Load
from voice_server.bench.host import null_server
from voice_server.bench.wires import NativeWire
from voice_server.bench.work import LIFELIKE, NONE, Work
from voice_server.cli.commands import cli


async def test_every_caller_is_answered() -> None:
    """Three crowds at a time."""
    server = null_server(0, Work(NONE))
    async with server.running():
        loads = Load(3, "ptt", 0.1, 9), Load(3, "vad", 0.1, 9), Load(2, "ptt", 0, 9, barges_in=True)
        crowds = [Crowd(NativeWire(), load, server.port, os.getpid()) for load in loads]
        ptt, vad, barging = await asyncio.gather(*(crowd.run() for crowd in crowds))
    for report in (ptt, vad):
        assert report.lost_turns == report.early_replies == 0
        assert report.turns >= 3
    assert ptt.first_audio_p50_ms is not None
    # A microphone that is always open: the stop threshold is part of the answer.
    assert vad.first_audio_p50_ms is not None and vad.first_audio_p50_ms >= 250
    assert barging.barge_ins_missed == 0
    assert crowds[-1].tally.interrupted


async def test_the_time_of_providers_overlaps() -> None:
    """The stages one after the other, the whole text before its speech, would be 240 ms more."""
    server = null_server(0, Work(LIFELIKE))
    async with server.running():
        report = await Crowd(NativeWire(), Load(1, "ptt", 0, 6), server.port, os.getpid()).run()
    ideal_ms = Work(LIFELIKE).ideal_first_audio_ms
    assert report.first_audio_p50_ms is not None
    assert ideal_ms <= report.first_audio_p50_ms < ideal_ms + 200


async def test_who_is_not_let_in_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that carries no more says nothing at all."""
    monkeypatch.setattr("voice_server.bench.callers._LET_IN_S", 0.5)

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        report = await Crowd(NativeWire(), Load(3, "ptt", 0, 0.1), port, os.getpid()).run()
    assert report.lost_turns == 3


def test_the_card_is_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_server.bench.capacity.NULL_CALLERS", (1, 2))
    for name in ("_LATER_MS", "_LAG_MS"):  # how fast this machine is, is not what is looked at
        monkeypatch.setattr(f"voice_server.bench.capacity.{name}", 10_000.0)
    file = tmp_path / "card.json"
    result = CliRunner().invoke(
        cli, ["bench", "capacity", "--only", "null", "--seconds", "6", "--json", str(file)]
    )
    assert result.exit_code == 0, result.output
    assert "callers held" in result.output
    card = json.loads(file.read_text("utf-8"))
    assert card["machine"]["cores"] >= 1
    assert [(row["providers"], row["mode"]) for row in card["rows"]] == [("null", "ptt"), ("null", "vad")]
