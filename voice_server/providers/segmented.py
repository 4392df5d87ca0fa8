"""Makes a stream of a recogniser that only takes whole clips: partials and finals by listening again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import takewhile

import structlog

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.audio.level import level_dbfs
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.providers.base import (
    FinalHeard,
    PartialHeard,
    SttCapabilities,
    SttHints,
    Transcriber,
)
from voice_server.providers.dropping import drop

log = structlog.get_logger()

GUESSED_S = 20  # a longer utterance costs too much to hear again and again
_SILENCE_DBFS = -50.0
_FADED_DB = 15.0
_TAIL_BYTES, _LATELY_BYTES = bytes_of_ms(100, STT_RATE_HZ), bytes_of_ms(1_000, STT_RATE_HZ)
_GUESSED_BYTES = bytes_of_ms(GUESSED_S * 1000, STT_RATE_HZ)


class SegmentedSpeechToText:
    """A `SpeechToText` over a one-shot `Transcriber`, shared by all its streams.

    Args:
        partial_every_ms: how much new audio is worth a partial; 0: none is.
        most_guesses: how many partials may be under way, of all streams together; a stream that finds them
            taken goes without, and asks again with its next audio. None: any number.
    """

    def __init__(
        self, transcriber: Transcriber, partial_every_ms: int = 700, most_guesses: int | None = None
    ) -> None:
        self._transcriber = transcriber
        self.model: str = getattr(transcriber, "model", "")
        self._partial_every_bytes = bytes_of_ms(partial_every_ms, STT_RATE_HZ)
        self._most_guesses = most_guesses if partial_every_ms else 0
        self._urgent_calls = self._guesses = 0

    @property
    def name(self) -> str:
        return self._transcriber.name

    @property
    def title(self) -> str:
        return self._transcriber.title

    @property
    def capabilities(self) -> SttCapabilities:
        return replace(self._transcriber.capabilities, partials=self._most_guesses != 0)

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
        has_room = self._most_guesses is None or self._guesses < self._most_guesses
        return self._urgent_calls == 0 and has_room

    async def listen(self, pcm: bytes, hints: SttHints, mark: int | None) -> PartialHeard | FinalHeard:
        """Transcribe for one of the streams: a final with a mark, a partial without."""
        if mark is None:
            self._guesses += 1
            try:
                return PartialHeard((await self._transcriber.transcribe(pcm, hints, urgent=False)).text)
            finally:
                self._guesses -= 1
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
        self._guessed_bytes = 0
        self._guessed, self._steady = "", ""  # the last partial, and as much as two in a row agreed on
        self._call: asyncio.Task[None] | None = None
        # Holds little: a call runs only after the one before it has answered or was dropped.
        self._heard: asyncio.Queue[PartialHeard | FinalHeard | VoiceServerError | None] = asyncio.Queue()

    def push(self, pcm: bytes) -> None:
        self._pcm += pcm
        if self._call is None and self._owner.may_guess() and self._is_worth_guessing():
            self._begin(mark=None)

    def flush(self, mark: int) -> None:
        # Whatever runs has heard less than this will; its answer is worth nothing now.
        if self._call is not None:
            self._call.cancel()
        self._begin(mark)

    def _is_worth_guessing(self) -> bool:
        """Whether enough came for a new partial, and the voice goes on, also over a noise that never ends.

        At the voice's end a final is wanted soon, and would have to wait for the partial.
        """
        new_bytes = len(self._pcm) - self._guessed_bytes
        if new_bytes < self._owner.partial_every_bytes or len(self._pcm) > _GUESSED_BYTES:
            return False
        now_dbfs, lately_dbfs = (level_dbfs(bytes(self._pcm[-n:])) for n in (_TAIL_BYTES, _LATELY_BYTES))
        return now_dbfs > max(_SILENCE_DBFS, lately_dbfs - _FADED_DB)

    async def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        while (heard := await self._heard.get()) is not None:
            if isinstance(heard, VoiceServerError):
                raise heard
            yield heard

    async def leave(self) -> None:
        if self._call is not None:
            await drop(self._call)
        self._heard.put_nowait(None)

    def _begin(self, mark: int | None) -> None:
        self._guessed_bytes = len(self._pcm)
        self._call = asyncio.create_task(self._listen(bytes(self._pcm), mark))

    async def _listen(self, pcm: bytes, mark: int | None) -> None:
        heard: PartialHeard | FinalHeard | VoiceServerError
        try:
            heard = await self._owner.listen(pcm, self._hints, mark)
        except VoiceServerError as error:
            heard = error
        except Exception as error:
            log.exception("recogniser broke", provider=self._owner.name)
            heard = ProviderError("speech recognition failed.", stage="stt")
            heard.__cause__ = error
        # A partial that failed is no loss; if the recogniser is broken the final will say so.
        if isinstance(heard, PartialHeard):
            if heard.text:
                self._heard.put_nowait(self._steadied(heard))
        elif mark is not None:
            self._heard.put_nowait(heard)
        self._call = None

    def _steadied(self, heard: PartialHeard) -> PartialHeard:
        """What may be shown of it: heard twice alike. What was shown once is not taken back."""
        before, words = self._guessed.split(), heard.text.split()
        pairs = zip(before, words, strict=False)
        agreed = list(takewhile(lambda pair: _plain(pair[0]) == _plain(pair[1]), pairs))
        if len(agreed) > len(self._steady.split()):
            self._steady = " ".join(words[: len(agreed)]).rstrip(".,!?;:")
        self._guessed = heard.text
        return replace(heard, steady=self._steady)


def _plain(word: str) -> str:
    return word.strip(".,!?;:").casefold()
