"""The platform's upkeep while the server runs: what is written, indexed and watched beside the calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from voice_server.app.access import check_exposure
from voice_server.app.platform import Platform
from voice_server.errors import StoreError
from voice_server.services.keys import KeyRing
from voice_server.services.readiness import Readiness
from voice_server.services.search import Semantics
from voice_server.session.registry import SessionRegistry
from voice_server.settings import Settings

WRITTEN_WITHIN_S = 15.0
KEYS_WATCHED_EVERY_S = 2.0

Write = Callable[[], Awaitable[None]]


@asynccontextmanager
async def keeping(
    platform: Platform, sessions: SessionRegistry, readiness: Readiness, settings: Settings
) -> AsyncIterator[None]:
    """The database open inside; what is still unwritten after is written first.

    Raises:
        ConfigurationError: see `check_exposure`.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(platform.database.close)
        stack.push_async_callback(platform.rates.close)
        await platform.database.open()
        with suppress(StoreError):  # callers are learned anew
            await platform.habits.read()
        check_exposure(settings, has_keys=await platform.keys.is_required())
        writing = asyncio.create_task(platform.journal.run(), name="journal")
        gathered: tuple[tuple[Write, float], ...] = (
            (platform.keys.note_uses, 5.0),
            (platform.meter.write, 2.0),
            (platform.habits.write, 10.0),
        )
        watching = [
            asyncio.create_task(_end_revoked(platform.keys, sessions), name="revoked keys"),
            asyncio.create_task(_index_messages(platform.semantics, readiness), name="indexer"),
            *(asyncio.create_task(_write_every(s, write), name="gathered") for write, s in gathered),
        ]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)  # what one of them was writing is unwritten again
            for write, _ in gathered:
                with suppress(StoreError):
                    await write()
            platform.journal.close()
            await asyncio.wait({writing}, timeout=WRITTEN_WITHIN_S)
            writing.cancel()


async def _write_every(seconds: float, write: Write) -> None:
    """Write what has gathered, now and then."""
    while True:
        await asyncio.sleep(seconds)
        with suppress(StoreError):  # it stays there and is written later
            await write()


async def _end_revoked(keys: KeyRing, sessions: SessionRegistry) -> None:
    """Sessions of keys that are not good any more end within a moment."""
    while True:
        await asyncio.sleep(KEYS_WATCHED_EVERY_S)
        try:
            gone = await keys.no_longer_good(sessions.callers)
        except StoreError:
            continue  # nobody can tell now
        sessions.end_of_keys(gone)


async def _index_messages(semantics: Semantics | None, readiness: Readiness) -> None:
    if semantics is not None:
        await readiness.wait()
        await semantics.indexer.run()
