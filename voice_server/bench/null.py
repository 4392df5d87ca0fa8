"""Providers that do the work of `work.py` and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from voice_server.bench.work import OUT_RATE_HZ, Work
from voice_server.providers.base import (
    AudioChunk,
    FinalHeard,
    LlmCapabilities,
    PartialHeard,
    ReplyDelta,
    ReplyRequest,
    SttCapabilities,
    SttHints,
    TextDelta,
    Transcript,
    TtsCapabilities,
    Voice,
)

_LANGUAGES = ("en-US",)
VOICE = Voice("tone", "null", "Tone", "neutral", _LANGUAGES)


class _Null:
    name = "null"
    title = "Nothing (for measuring)"

    def __init__(self, work: Work) -> None:
        self._work = work

    async def warm(self) -> None:
        """It is always."""

    async def close(self) -> None:
        """There is nothing to free."""


class NullSpeechToText(_Null):
    """Hears always the same."""

    capabilities = SttCapabilities(_LANGUAGES, streaming=True)

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator["_NullStream"]:
        """One utterance."""
        yield _NullStream(self._work)


class _NullStream:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._marks: asyncio.Queue[int] = asyncio.Queue()

    def push(self, pcm: bytes) -> None:
        pass

    def flush(self, mark: int) -> None:
        self._marks.put_nowait(mark)

    async def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        while True:
            mark = await self._marks.get()
            yield FinalHeard(Transcript(await self._work.transcript(), "en"), mark)


class NullLanguageModel(_Null):
    """Answers always the same."""

    model = "null"
    capabilities = LlmCapabilities()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        """The reply, word by word."""
        async for token in self._work.tokens():
            yield TextDelta(token)


class NullTextToSpeech(_Null):
    """Says a tone for each sentence."""

    capabilities = TtsCapabilities((VOICE,), OUT_RATE_HZ)

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """A tone for each piece."""
        piece = 0
        async for _ in text:
            last: bytes | None = None
            async for chunk in self._work.speech():
                if last is not None:
                    yield AudioChunk(last, piece)
                last = chunk
            yield AudioChunk(last or b"", piece, ends_piece=True)
            piece += 1
