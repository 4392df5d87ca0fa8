"""What a process has used so far."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time of all threads together, and memory in use."""

    cpu_s: float
    resident_bytes: int


def usage_of(pid: int) -> Usage:
    """The usage of a process on this machine (Linux), to the nanosecond where the kernel tells."""
    process = Path(f"/proc/{pid}")
    used_ns = 0
    for task in (process / "task").iterdir():
        with suppress(OSError):  # the thread has just ended
            used_ns += int((task / "schedstat").read_text("ascii").split()[0])
    pages = int((process / "statm").read_text("ascii").split()[1])
    return Usage(used_ns / 1e9, pages * os.sysconf("SC_PAGE_SIZE"))
