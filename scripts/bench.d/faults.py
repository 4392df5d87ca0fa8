"""What a caller notices when a stage fails, with another provider behind it and without.

Whole spoken turns through a server in this process, whose vendors are fakes on this machine: they refuse
keys and connections, answer 429 and 500, hang, break off and talk nonsense. `silent_ms` is the longest time
without sound or an error frame.
"""

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.wire.faults import STAGES, Row, every_fault

MOST_SILENT_MS = 4_000


def show(rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stage", "fault", "fallback", "silent_ms", "outcome"):
        table.add_column(name, justify="right" if name == "silent_ms" else "left")
    for row in rows:
        silent = f"{row.silent_ms:.0f}"
        table.add_row(row.stage, row.fault, "yes" if row.fallback else "no", silent, row.outcome)
    Console(highlight=False).print(table)


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one; again for more")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rows = await every_fault(options.stage or STAGES)
    show(rows)
    if options.json is not None:
        told = [
            {
                "stage": row.stage,
                "fault": row.fault.value,
                "fallback": row.fallback,
                "silent_ms": round(row.silent_ms, 1),
                "outcome": row.outcome,
            }
            for row in rows
        ]
        options.json.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return 0 if all(row.silent_ms <= MOST_SILENT_MS for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
