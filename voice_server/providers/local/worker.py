"""One thread that runs the jobs of one engine, the urgent ones first.

An engine that uses all cores gains nothing from a second job beside the first. A job that is
cancelled while it waits never runs; one that runs already goes on, and its result is dropped.
"""

import asyncio
import heapq
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from voice_server.errors import ProviderUnavailable

_Result = TypeVar("_Result")


class Worker:
    """A named thread; it starts with the first job."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: list[tuple[bool, int, Future[Any], Callable[[], Any]]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    async def run(self, job: Callable[[], _Result], *, urgent: bool = True) -> _Result:
        """Run `job` on the thread. Cancelling takes effect at once.

        Raises:
            ProviderUnavailable: closed.
        """
        future: Future[_Result] = Future()
        with self._wake:
            if self._closing:
                raise ProviderUnavailable(f"{self._name} has been closed.")
            heapq.heappush(self._jobs, (not urgent, next(self._order), future, job))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()
        return await asyncio.wrap_future(future)

    @property
    def is_pressed(self) -> bool:
        """Whether an urgent job waits: a long one that is not may ask, and give way."""
        with self._wake:
            return any(not is_later and not job.cancelled() for is_later, _, job, _ in self._jobs)

    async def close(self) -> None:
        """Drop what waits and return when the thread has ended."""
        with self._wake:
            self._closing = True
            for _, _, future, _ in self._jobs:
                future.cancel()
            self._wake.notify()
            thread = self._thread
        if thread is not None:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._jobs or self._closing)
                if not self._jobs:
                    return
                _, _, future, job = heapq.heappop(self._jobs)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except Exception as error:
                future.set_exception(error)
            # Neither may live on in this frame while the thread waits for the next job.
            del future, job


def default_threads() -> int:
    """How many threads an engine gets when nobody says: beyond four, memory is the limit, not cores."""
    return min(4, os.cpu_count() or 2)
