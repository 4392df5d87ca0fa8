"""What a speech-to-text stream has to tell, on its way from whoever hears it to whoever asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from voice_server.core.languages import primary
from voice_server.errors import VoiceServerError
from voice_server.providers.base import FinalHeard, PartialHeard

_SPACELESS = frozenset({"cmn", "ja", "km", "lo", "my", "th", "wuu", "yue", "zh"})
"""Languages written without spaces between words."""


def joined(texts: Iterable[str], language: str | None) -> str:
    """What was heard one after the other, as one text."""
    space = "" if language is not None and primary(language) in _SPACELESS else " "
    return space.join(filter(None, (text.strip() for text in texts)))


class HeardQueue:
    """Partials and finals in order, then the end or an error; for one reader.

    Bounded by what matters: a partial nobody has read yet is replaced by the next, and finals are as many as
    were asked for.
    """

    def __init__(self) -> None:
        self._heard: deque[PartialHeard | FinalHeard] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self._error: VoiceServerError | None = None

    def put(self, heard: PartialHeard | FinalHeard) -> None:
        """Tell it, unless the end has been told."""
        if self._is_over:
            return
        if isinstance(heard, PartialHeard) and self._heard and isinstance(self._heard[-1], PartialHeard):
            self._heard.pop()
        self._heard.append(heard)
        self._news.set()

    def end(self, error: VoiceServerError | None = None) -> None:
        """Nothing more comes; `error` is why. Only the first end counts."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._news.set()

    async def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        while True:
            while self._heard:
                yield self._heard.popleft()
            if self._error is not None:
                raise self._error
            if self._is_over:
                return
            self._news.clear()
            await self._news.wait()
