"""An event loop whose clock jumps to the next timer when there is nothing else to do.

Waiting costs nothing, so a test may let minutes pass, and say to the millisecond when something happened.
Work in an executor takes real time: while there is some, the clock stands still.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")

_ROUND_S = 1e-9
"""What one round of the loop takes: a timer set again and again for "now" still sees time go by."""


class _Jumping(selectors.SelectSelector):
    """Waits for files and threads as long as it must, for timers not at all."""

    def __init__(self, advance: Callable[[float], None], is_working: Callable[[], bool]) -> None:
        super().__init__()
        self._advance = advance
        self._is_working = is_working

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            ready = super().select(0)
        elif self._is_working():
            ready = super().select(None)
        elif not (ready := super().select(0)):
            if timeout is None:
                raise RuntimeError("Everything waits for something that never comes: no timer, no worker.")
            self._advance(timeout)
        self._advance(_ROUND_S)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual and begins at 1,000 s; every other part is the loop as it is."""

    def __init__(self) -> None:
        self._virtual_s = 1_000.0
        self._working = 0
        super().__init__(_Jumping(self._advance, lambda: self._working > 0))

    def time(self) -> float:
        return self._virtual_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], Any], *args: *Ts
    ) -> asyncio.Future[Any]:
        self._working += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._stop_working)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self._working += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._working -= 1

    def _stop_working(self, _: asyncio.Future[Any]) -> None:
        self._working -= 1

    def _advance(self, seconds: float) -> None:
        self._virtual_s += seconds
