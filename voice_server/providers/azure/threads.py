"""Where the SDK may block: a few threads of a provider's own, so that a hung stop holds up nobody else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from voice_server.errors import ProviderUnavailable, Stage

log = structlog.get_logger()

T = TypeVar("T")

_THREADS = 16
_MOST_JOBS = 64
"""Should the SDK hang and they pile up, nothing new is begun."""


class Threads:
    """Runs jobs that may block. `stage` is the role they serve."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="azure")
        self._jobs = 0
        self._is_closed = False

    async def run(self, job: Callable[[], T]) -> T:
        """The result of `job`, which goes on when the caller is cancelled.

        Raises:
            ProviderUnavailable: too many jobs hang.
        """
        if self._jobs >= _MOST_JOBS:
            full = "Azure does not answer: too many calls hang already; check the network."
            raise ProviderUnavailable(full, stage=self._stage)
        return await asyncio.wrap_future(self._submit(job))

    def later(self, job: Callable[[], object]) -> None:
        """Run `job` for nobody to wait for; after `close` it is left to the end of the process."""
        if not self._is_closed:
            self._submit(job).add_done_callback(_note)

    def close(self) -> None:
        """Nothing more comes; what hangs is left to end by itself."""
        self._is_closed = True
        self._pool.shutdown(wait=False)

    def _submit(self, job: Callable[[], T]) -> "Future[T]":
        loop = asyncio.get_running_loop()
        self._jobs += 1
        future = self._pool.submit(job)
        future.add_done_callback(lambda _: hop(loop, self._done))
        return future

    def _done(self) -> None:
        self._jobs -= 1


def hop(loop: asyncio.AbstractEventLoop, what: Callable[..., object], *arguments: Any) -> None:
    """Call `what` on the loop, from any thread; nothing, when the loop is gone."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what, *arguments)


def _note(future: "Future[Any]") -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("azure did not stop in order", error=type(error).__name__)
