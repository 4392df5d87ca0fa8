"""How a task is ended whose result nobody wants any more."""

import asyncio
from typing import Any


async def drop(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and return when it has ended, however it did.

    To await the task itself and pass over its `CancelledError` would pass over one of the caller's own, too.
    """
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # asyncio complains of a failure nobody asked for
