"""The load that servers are measured with, and the capacity card."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voice_server.bench.callers import Crowd, Load
from voice_server.bench.host import null_server
from voice_server.bench.wires import Mode, NativeWire
from voice_server.bench.work import LIFELIKE, NONE, Work
from voice_server.cli.commands import cli


@pytest.mark.parametrize("mode", ["ptt", "vad"])
async def test_every_caller_is_answered(mode: Mode) -> None:
    server = null_server(0, Work(NONE))
    async with server.running():
        report = await Crowd(NativeWire(), Load(3, mode, 0.1, 9), server.port, os.getpid()).run()
    assert report.lost_turns == report.early_replies == 0
    assert report.turns >= 3
    assert report.first_audio_p50_ms is not None
    # A microphone that is always open: the stop threshold is part of the answer.
    assert report.first_audio_p50_ms >= (250 if mode == "vad" else 0)


async def test_callers_who_talk_over_a_reply_are_heard() -> None:
    server = null_server(0, Work(NONE))
    async with server.running():
        load = Load(2, "ptt", 0, 8, barges_in=True)
        crowd = Crowd(NativeWire(), load, server.port, os.getpid())
        report = await crowd.run()
    assert report.barge_ins_missed == 0
    assert crowd.tally.interrupted


async def test_the_time_of_providers_overlaps() -> None:
    """The stages one after the other, the whole text before its speech, would be 240 ms more."""
    server = null_server(0, Work(LIFELIKE))
    async with server.running():
        report = await Crowd(NativeWire(), Load(1, "ptt", 0, 6), server.port, os.getpid()).run()
    ideal_ms = Work(LIFELIKE).ideal_first_audio_ms
    assert report.first_audio_p50_ms is not None
    assert ideal_ms <= report.first_audio_p50_ms < ideal_ms + 200


def test_the_card_is_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_server.bench.capacity.NULL_CALLERS", (1, 2))
    file = tmp_path / "card.json"
    result = CliRunner().invoke(
        cli, ["bench", "capacity", "--only", "null", "--seconds", "6", "--json", str(file)]
    )
    assert result.exit_code == 0, result.output
    assert "callers held" in result.output
    card = json.loads(file.read_text("utf-8"))
    assert card["machine"]["cores"] >= 1
    assert [(row["providers"], row["mode"]) for row in card["rows"]] == [("null", "ptt"), ("null", "vad")]
