"""The text of one reply, taken as it is written, so that more than one voice can read it."""

import asyncio
from collections.abc import AsyncIterator, Callable


class Pieces:
    """Takes everything there is at once: whoever reads may stop, and another go on from any piece."""

    def __init__(self, text: AsyncIterator[str]) -> None:
        self._texts: list[str] = []
        self._is_whole = False
        self._news = asyncio.Event()
        self._taking = asyncio.create_task(self._take(text), name="text of a reply")

    def __getitem__(self, number: int) -> str | None:
        """The piece of this number, if it has come."""
        return self._texts[number] if number < len(self._texts) else None

    def is_over_at(self, number: int) -> bool:
        """Whether there is no such piece, and never will be."""
        return self._is_whole and number >= len(self._texts)

    async def close(self) -> None:
        """Take no more.

        Raises:
            Exception: what the text itself raised.
        """
        self._taking.cancel()
        await asyncio.wait({self._taking})
        if not self._taking.cancelled():
            self._taking.result()

    async def wait(self, number: int) -> str | None:
        """The piece of this number, when it has come; None: it never will."""
        while number >= len(self._texts) and not self._is_whole:
            self._news.clear()
            await self._news.wait()
        return self[number]

    async def _take(self, text: AsyncIterator[str]) -> None:
        try:
            async for piece in text:
                self._texts.append(piece)
                self._news.set()
        finally:
            self._is_whole = True
            self._news.set()


class Reading:
    """One voice's way through the pieces, from `start` on; `stops_at` says which piece is not for it.

    `rest`: what is read instead of the first piece, where its beginning has been spoken.
    """

    def __init__(self, pieces: Pieces, start: int, rest: str, stops_at: Callable[[str], bool]) -> None:
        self._pieces, self.start, self._rest = pieces, start, rest
        self._stops_at = stops_at
        self.taken = 0
        self.finished = 0
        self.begin_patience: Callable[[], None] = nothing  # when a voice that had spoken everything gets more
        self.is_over = False

    @property
    def is_starved(self) -> bool:
        """Whether all text that was taken is spoken: then the model is slow, not the voice."""
        return self.finished >= self.taken

    async def __aiter__(self) -> AsyncIterator[str]:
        while (piece := await self._pieces.wait(self.start + self.taken)) is not None:
            if self._stops_at(piece):
                break
            was_starved = self.is_starved
            self.taken += 1
            if was_starved:
                self.begin_patience()
            yield self._rest if self.taken == 1 and self._rest else piece
        self.is_over = True


def nothing() -> None:
    """Nobody waits yet."""
