"""Gives messages their vectors, off the request path. What waits is in the database and outlives us."""

import asyncio
from collections.abc import Callable

import structlog

from voice_server.errors import VoiceServerError
from voice_server.providers.base import Embeddings
from voice_server.store.search import Embedded, MessageIndex, Unembedded, Vectors

log = structlog.get_logger()

_BATCH = 16
_LOOK_EVERY_S = 1.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_REST = 4.0
"""While somebody talks, it rests for so many times as long as it has worked."""


class Indexer:
    """Embeds what is queued, oldest first, in small batches.

    Args:
        is_busy: whether somebody talks, and the machine should be left to them.
    """

    def __init__(
        self, index: MessageIndex, vectors: Vectors, embeddings: Embeddings, is_busy: Callable[[], bool]
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._embeddings = embeddings
        self._is_busy = is_busy
        self._working = asyncio.Lock()
        self._is_prepared = False
        self._after = 0  # a message that cannot be embedded does not hold up those behind it
        self._batch = _BATCH

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        wait_s, trouble = _FIRST_WAIT_S, ""
        while True:
            began_s = loop.time()
            try:
                done = await self._embed_some()
            except VoiceServerError as error:
                if trouble != error.message:
                    trouble = error.message
                    log.warning("messages are not embedded for now", reason=trouble)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            except Exception:  # it is tried again: search must not need a restart for one odd message
                log.exception("indexer broke")
                await asyncio.sleep(_LONGEST_WAIT_S)
                continue
            wait_s, trouble = _FIRST_WAIT_S, ""
            if not done:
                await asyncio.sleep(_LOOK_EVERY_S)
            elif self._is_busy():
                await asyncio.sleep(_REST * (loop.time() - began_s))

    async def prepare(self) -> None:
        """Be ready for the model's vectors; those of another are dropped."""
        async with self._working:
            await self._prepare()

    async def catch_up(self, owner: str, within_s: float) -> None:
        """Embed what this owner has waiting, as far as there is time and it can be done."""
        try:
            async with asyncio.timeout(within_s):
                while await self._index.has_unembedded(owner):
                    async with self._working:
                        await self._prepare()
                        waiting = await self._index.unembedded(owner, _BATCH)
                        await self._embed(waiting, urgent=True)
        except (TimeoutError, VoiceServerError) as error:
            log.info("a search did not wait for every vector", reason=repr(error))

    async def _embed_some(self) -> bool:
        """One batch; whether there was anything to do."""
        async with self._working:
            await self._prepare()
            waiting = await self._index.unembedded(None, self._batch, self._after)
            if not waiting:
                self._after = 0
                return False
            try:
                await self._embed(waiting, urgent=False)
            except VoiceServerError:
                if self._batch == 1:
                    self._after = waiting[0].position
                self._batch = 1
                raise
            self._batch = _BATCH
            return True

    async def _prepare(self) -> None:
        if not self._is_prepared:
            await self._embeddings.warm()
            await self._vectors.prepare(self._embeddings.model, self._embeddings.capabilities.dimensions)
            self._is_prepared = True

    async def _embed(self, waiting: list[Unembedded], *, urgent: bool) -> None:
        vectors = await self._embeddings.embed([one.content for one in waiting], urgent=urgent)
        await self._vectors.keep(
            self._embeddings.model,
            [
                Embedded(one.position, one.content, vector)
                for one, vector in zip(waiting, vectors, strict=True)
            ],
        )
