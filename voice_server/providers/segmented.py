"""Makes a stream of a recogniser that only takes whole clips: partials and finals by listening again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.audio.level import level_dbfs
from voice_server.errors import ProviderError
from voice_server.providers.base import (
    FinalHeard,
    PartialHeard,
    SttCapabilities,
    SttHints,
    Transcriber,
)

MAX_UTTERANCE_S = 3_600  # whoever opens a stream ends it long before; this only bounds memory
GUESSED_S = 30  # a longer utterance costs too much to hear again and again
_SILENCE_DBFS = -50.0
_TAIL_BYTES = bytes_of_ms(100, STT_RATE_HZ)
_GUESSED_BYTES = bytes_of_ms(GUESSED_S * 1000, STT_RATE_HZ)
_MAX_UTTERANCE_BYTES = bytes_of_ms(MAX_UTTERANCE_S * 1000, STT_RATE_HZ)


class SegmentedSpeechToText:
    """A `SpeechToText` over a one-shot `Transcriber`, shared by all its streams."""

    def __init__(self, transcriber: Transcriber, partial_every_ms: int = 700) -> None:
        self._transcriber = transcriber
        self.model: str = getattr(transcriber, "model", "")
        self._partial_every_bytes = bytes_of_ms(partial_every_ms, STT_RATE_HZ)
        self._urgent_calls = 0

    @property
    def name(self) -> str:
        return self._transcriber.name

    @property
    def title(self) -> str:
        return self._transcriber.title

    @property
    def capabilities(self) -> SttCapabilities:
        return replace(self._transcriber.capabilities, partials=True)

    async def warm(self) -> None:
        await self._transcriber.warm()

    async def close(self) -> None:
        await self._transcriber.close()

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator["_Stream"]:
        """Begin one utterance; leaving the context cancels whatever is still running."""
        stream = _Stream(self, hints)
        try:
            yield stream
        finally:
            await stream.leave()

    def may_guess(self) -> bool:
        """Whether a partial would delay nobody's final."""
        return self._urgent_calls == 0

    async def listen(self, pcm: bytes, hints: SttHints, mark: int | None) -> PartialHeard | FinalHeard:
        """Transcribe for one of the streams: a final with a mark, a partial without."""
        if mark is None:
            transcript = await self._transcriber.transcribe(pcm, hints, urgent=False)
            return PartialHeard(transcript.text)
        self._urgent_calls += 1
        try:
            return FinalHeard(await self._transcriber.transcribe(pcm, hints, urgent=True), mark)
        finally:
            self._urgent_calls -= 1

    @property
    def partial_every_bytes(self) -> int:
        """How much new audio is worth a new partial."""
        return self._partial_every_bytes


class _Stream:
    """One utterance: a growing buffer and at most one call that still matters."""

    def __init__(self, owner: SegmentedSpeechToText, hints: SttHints) -> None:
        self._owner = owner
        self._hints = hints
        self._pcm = bytearray()
        self._given_up = False
        self._guessed_bytes = 0
        self._call: asyncio.Task[None] | None = None
        # Holds little: a call runs only after the one before it has answered or was dropped.
        self._heard: asyncio.Queue[PartialHeard | FinalHeard | ProviderError | None] = asyncio.Queue()

    def push(self, pcm: bytes) -> None:
        if self._given_up:
            return
        if len(self._pcm) + len(pcm) > _MAX_UTTERANCE_BYTES:
            self._given_up = True
            self._heard.put_nowait(
                ProviderError(
                    f"somebody has been speaking for more than {MAX_UTTERANCE_S} s without a pause; "
                    "the utterance was given up.",
                    stage="stt",
                )
            )
            return
        self._pcm += pcm
        if self._call is None and self._is_worth_guessing() and self._owner.may_guess():
            self._begin(mark=None)

    def flush(self, mark: int) -> None:
        # Whatever runs has heard less than this will; its answer is worth nothing now.
        if self._call is not None:
            self._call.cancel()
        self._begin(mark)

    def _is_worth_guessing(self) -> bool:
        """Whether enough came for a new partial, and the voice goes on.

        At the voice's end a final is wanted soon, and would have to wait for the partial.
        """
        new_bytes = len(self._pcm) - self._guessed_bytes
        if new_bytes < self._owner.partial_every_bytes or len(self._pcm) > _GUESSED_BYTES:
            return False
        return level_dbfs(bytes(self._pcm[-_TAIL_BYTES:])) > _SILENCE_DBFS

    async def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        while (heard := await self._heard.get()) is not None:
            if isinstance(heard, ProviderError):
                raise heard
            yield heard

    async def leave(self) -> None:
        if self._call is not None:
            self._call.cancel()
            with suppress(asyncio.CancelledError):
                await self._call
        self._heard.put_nowait(None)

    def _begin(self, mark: int | None) -> None:
        self._guessed_bytes = len(self._pcm)
        self._call = asyncio.create_task(self._listen(bytes(self._pcm), mark))

    async def _listen(self, pcm: bytes, mark: int | None) -> None:
        try:
            heard: PartialHeard | FinalHeard | ProviderError = await self._owner.listen(
                pcm, self._hints, mark
            )
        except ProviderError as error:
            heard = error
        except Exception as error:
            heard = ProviderError("speech recognition failed.", stage="stt")
            heard.__cause__ = error
        # A partial that failed is no loss; if the recogniser is broken the final will say so.
        if mark is not None or isinstance(heard, PartialHeard):
            self._heard.put_nowait(heard)
        self._call = None
