"""How a conversation goes: turns taken too early, too late or not at all, interruptions, nods, noise.

The scripted callers of tests/conversation are played in virtual time against the real ears; recognition,
model and voice take fixed times (`tests/conversation/caller.py`), so the figures are the same on every
machine and tell of decisions, not of computing.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conversation.caller import Models, Outcome, models, play
from tests.conversation.cases import CASES, Case, Kind
from tests.virtual_time import VirtualTimeLoop

UNHEARD = (Kind.NOD, Kind.BACKGROUND, Kind.ECHO)
COLUMNS = ("cases", "right", "missed", "early", "false_stops", "takeover", "response", "hold", "cut")

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write one object per case, and the table, to this file")
    parser.add_argument("--only", default="", help="cases whose name or kind holds this")
    parser.add_argument("--suppress-noise", action="store_true", help="with the noise suppressor on")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in f"{case.name} {case.kind}"]
    with models() as ears:
        outcomes = [
            run(case, ears, is_suppressing=options.suppress_noise)
            for case in track(cases, console=Console(stderr=True))
        ]
    rows = [summary(kind, [one for one in outcomes if one.case.kind is kind]) for kind in Kind]
    rows = [*(row for row in rows if row["cases"]), summary("all", outcomes)]
    show(rows)
    for outcome in outcomes:
        if not outcome.is_right:
            heard = " | ".join(f"{at_ms:.0f}: {text}" for at_ms, text in outcome.turns)
            cuts = f", cut at {outcome.cuts}" if outcome.cuts else ""
            console.print(f"wrong: {outcome.case.kind}: {outcome.case.name}: {heard}{cuts}")
    if options.json:
        found = {"summary": rows, "cases": [described(one) for one in outcomes]}
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


def run(case: Case, ears: Models, *, is_suppressing: bool = False) -> Outcome:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(play(case, ears, is_suppressing=is_suppressing))


def summary(kind: str, outcomes: list[Outcome]) -> dict[str, Any]:
    """One row. Times are medians in ms from the voice's end (takeover, response) or beginning (hold, cut)."""
    spoken = [one for one in outcomes if one.case.kind not in (*UNHEARD, Kind.SILENCE)]
    over = [one for one in outcomes if one.case.kind is Kind.INTERRUPTION]
    ended = [one for one in spoken if one.case.kind is not Kind.INTERRUPTION]
    return {
        "kind": str(kind),
        "cases": len(outcomes),
        "right": sum(one.is_right for one in outcomes),
        "missed": sum(len(one.turns) < len(one.case.turns) for one in outcomes),
        "early": sum(len(one.turns) > len(one.case.turns) for one in ended),
        "false_stops": sum(len(one.cuts) > one.wanted_cuts for one in outcomes),
        "takeover": middle(one.takeover_ms for one in spoken if one.is_right),
        "response": middle(one.response_ms for one in spoken if one.is_right),
        "hold": middle(one.hold_ms for one in over),
        "cut": middle(one.cut_ms for one in over),
    }


def middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known)) if known else None


def described(one: Outcome) -> dict[str, Any]:
    return {
        "name": one.case.name,
        "kind": str(one.case.kind),
        "right": one.is_right,
        "turns": [text for _, text in one.turns],
        "cuts": len(one.cuts),
        "takeover_ms": one.takeover_ms,
        "response_ms": one.response_ms,
        "hold_ms": one.hold_ms if one.case.kind is Kind.INTERRUPTION else None,
        "cut_ms": one.cut_ms,
        "endpointing": [
            {"wait_ms": it.endpointing.wait_ms, "reasons": it.endpointing.reasons}
            for it in one.metrics
            if it.endpointing is not None
        ],
    }


def show(rows: list[dict[str, Any]]) -> None:
    table = Table("kind", *COLUMNS)
    for row in rows:
        table.add_row(row["kind"], *("" if row[name] is None else str(row[name]) for name in COLUMNS))
    Console(width=160).print(table)


if __name__ == "__main__":
    raise SystemExit(main())
