"""Cancelling somebody who is just leaving what they had begun."""

import asyncio
from collections.abc import Awaitable, Callable

Leave = Callable[[asyncio.Event], Awaitable[None]]
"""Begins something and leaves it; sets the event right before it does."""


async def is_cancelled_while(leave: Leave) -> bool:
    """Whether a cancellation that comes while leaving arrives where it was meant to."""
    is_leaving = asyncio.Event()

    async def leave_and_stay() -> None:
        await leave(is_leaving)
        await asyncio.sleep(3_600)  # the leaving has eaten the cancellation if it comes so far

    leaving = asyncio.create_task(leave_and_stay())
    await is_leaving.wait()
    leaving.cancel()
    done, _ = await asyncio.wait({leaving}, timeout=5)
    leaving.cancel()
    return leaving in done and leaving.cancelled()
