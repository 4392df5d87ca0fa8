"""What is made when it is first asked for, once, and then shared."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazily(Generic[T]):
    """Holds one `T`. A making that failed is tried again by the next who asks."""

    def __init__(self, make: Callable[[], Awaitable[T]], close: Callable[[T], Awaitable[None]]) -> None:
        self._make, self._close = make, close
        self._making: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The one there is. Who stops waiting does not stop the making, others may wait for it too."""
        if self._making is None or (self._making.done() and _has_failed(self._making)):
            self._making = asyncio.create_task(self._made())
        return await asyncio.shield(self._making)

    async def close(self) -> None:
        """Close it, if it was made; the next who asks gets another."""
        making, self._making = self._making, None
        if making is None:
            return
        await asyncio.wait({making})
        if not _has_failed(making):
            await self._close(making.result())

    async def _made(self) -> T:
        return await self._make()


def _has_failed(making: asyncio.Task[T]) -> bool:
    return making.cancelled() or making.exception() is not None
