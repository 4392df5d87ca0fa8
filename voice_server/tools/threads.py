"""Threads for functions that block."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Runs jobs, at most so many at once; the others wait.

    The threads of an executor would keep the process from ending while one of them hangs; these do not.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, job: Callable[[], T]) -> T:
        """The result of `job`. It goes on, and keeps its place, when nobody waits for it any more."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        # Daemons: see above. The place is free when the job is over, not when its caller has left.
        threading.Thread(target=self._work, args=(loop, done, job), name="tool", daemon=True).start()
        return await done

    def _work(self, loop: asyncio.AbstractEventLoop, done: "asyncio.Future[T]", job: Callable[[], T]) -> None:
        try:
            result = job()
        except BaseException as error:
            _hop(loop, self._end, done, done.set_exception, error)
        else:
            _hop(loop, self._end, done, done.set_result, result)

    def _end(self, done: "asyncio.Future[Any]", settle: Callable[[Any], None], outcome: Any) -> None:
        self._free.release()
        if not done.done():
            settle(outcome)


def _hop(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
        loop.call_soon_threadsafe(what, *arguments)
