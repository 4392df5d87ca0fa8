"""Work that is worth doing only while somebody waits for it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

from voice_server.errors import ProtocolError

T = TypeVar("T")


async def while_present(request: Request, work: Awaitable[T]) -> T:
    """Do the work; when the caller goes away it is cancelled.

    Raises:
        ProtocolError: the caller is gone. Nobody sees it.
    """
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ProtocolError("The caller left before the answer.", code="caller_left")
        return doing.result()
    finally:
        leaving.cancel()
        doing.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
