"""A whole server with scripted providers in a process of its own, for a test that kills it.

Usage: python -m tests.wire.scripted_server DATABASE_URL; prints the address of its socket on a line.
"""

import asyncio
import sys

import structlog
import uvloop

from tests.wire.rig import serving


async def _serve(database_url: str) -> None:
    async with serving(database_url=database_url) as served:
        print(served.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(_serve(sys.argv[1]))
