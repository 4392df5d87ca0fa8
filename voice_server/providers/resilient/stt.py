"""A chain of recognisers: what was said is kept until it is understood, and told again to the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from voice_server.audio.format import STT_RATE_HZ, duration_ms
from voice_server.core.languages import serves
from voice_server.errors import AudioError, ProviderError, ProviderTimeout, VoiceServerError
from voice_server.providers.base import (
    FinalHeard,
    PartialHeard,
    SpeechToText,
    SttCapabilities,
    SttHints,
    SttStream,
)
from voice_server.providers.heard import HeardQueue
from voice_server.providers.resilient.breaker import Pass
from voice_server.providers.resilient.chain import Candidate, Chain

LONG_MS = 10_000
"""An utterance longer than this may take longer to transcribe: a tenth of what it lasts beyond."""


class SpeechToTextChain(Chain[SpeechToText]):
    """A `SpeechToText`."""

    @property
    def capabilities(self) -> SttCapabilities:
        return self.first.capabilities

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator[SttStream]:
        """Begin one utterance; leaving the context leaves whoever is listening."""
        utterance = _Utterance()
        listening = asyncio.create_task(self._listen(utterance, hints), name="chain of recognisers")
        try:
            yield utterance
        finally:
            listening.cancel()
            await asyncio.wait({listening})
            if not listening.cancelled():
                listening.result()  # only a bug of ours is raised

    async def _listen(self, utterance: "_Utterance", hints: SttHints) -> None:
        failure: VoiceServerError | None = None
        language = hints.language

        def can_hear(stt: SpeechToText) -> bool:
            return language is None or serves(stt.capabilities.languages, language)

        try:
            for candidate in self.candidates(can_hear):
                for attempt in count():
                    pause_s: float | None = None
                    try:
                        await self._follow(candidate, utterance, hints)
                    except VoiceServerError as error:
                        failure = failure or error
                        self.failed(candidate.guard.provider, error)
                        pause_s = self._policy.pause_s(error, attempt, utterance.left_s)
                    if pause_s is None:
                        break
                    await asyncio.sleep(pause_s)
        except AudioError as error:
            failure = error
        utterance.heard.end(failure or self.unavailable())

    async def _follow(
        self, candidate: Candidate[SpeechToText], utterance: "_Utterance", hints: SttHints
    ) -> None:
        """Listen with one recogniser until it fails."""
        stt = candidate.guard.provider
        async with candidate.guard.call(candidate.wait_s) as leave:
            await candidate.warm(candidate.deadlines.stt_final_ms)
            async with stt.open(hints) as stream:
                is_slow_to_begin = stt.capabilities.partials and not candidate.is_last
                first_ms = candidate.deadlines.stt_partial_ms if is_slow_to_begin else None
                final_ms = candidate.deadlines.stt_final_ms
                try:
                    # Held by the utterance alone: a name here would tie what was said to a cancelled task.
                    async with asyncio.timeout(None) as utterance.patience:
                        utterance.attend(stream, final_ms, first_ms)
                        try:
                            await _tell(stream, utterance, leave, stt.name)
                        finally:
                            utterance.leave()
                except TimeoutError as error:
                    if not utterance.is_late:
                        raise
                    late = "Speech recognition gave no transcript in time."
                    raise ProviderTimeout(late, stage="stt") from error


class _Utterance:
    """An `SttStream`: everything that was said, and what is still wanted of it."""

    def __init__(self) -> None:
        self.heard = HeardQueue()
        self._pcm = bytearray()
        self._mark: int | None = None  # the flush that waits for its final
        self._stream: SttStream | None = None
        self._final_ms = 0.0
        self.patience: asyncio.Timeout | None = None  # with who listens now
        self.is_late = False  # who listened last
        self._due_s: float | None = None

    def push(self, pcm: bytes) -> None:
        self._pcm += pcm
        if self._stream is not None:
            self._stream.push(pcm)

    def flush(self, mark: int) -> None:
        self._mark = mark
        if self._stream is not None:
            self._flush()

    def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        return aiter(self.heard)

    @property
    def left_s(self) -> float:
        """What is left of the deadline of the final; much while none is wanted."""
        if self._mark is None or self._due_s is None:
            return self._final_ms / 1000
        return self._due_s - asyncio.get_running_loop().time()

    def attend(self, stream: SttStream, final_ms: float, first_ms: float | None) -> None:
        """Tell it all to this one; `patience` ends when it is late.

        `first_ms`: within this there must be a partial, or a final.
        """
        self._stream, self._final_ms = stream, final_ms
        if self._pcm:
            stream.push(bytes(self._pcm))
        if self._mark is not None:
            self._flush()
        elif first_ms is not None:
            self._allow(first_ms)

    def leave(self) -> None:
        """It is gone; what is pushed from now on waits for the next."""
        self.is_late = self.patience is not None and self.patience.expired()
        self._stream = self.patience = None

    def tell(self, heard: PartialHeard | FinalHeard, provider: str) -> None:
        """Somebody has heard something."""
        match heard:
            case FinalHeard(transcript, mark):
                if mark == self._mark:
                    self._mark = None
                    self._allow(None)
                self.heard.put(FinalHeard(transcript, mark, provider))
            case PartialHeard():
                if self._mark is None:
                    self._allow(None)
                self.heard.put(heard)

    def _flush(self) -> None:
        assert self._stream is not None and self._mark is not None
        long_ms = max(duration_ms(len(self._pcm), STT_RATE_HZ) - LONG_MS, 0.0)
        self._allow(self._final_ms + long_ms / 10)
        self._stream.flush(self._mark)

    def _allow(self, wait_ms: float | None) -> None:
        """It may take so long from now; None: any time."""
        self._due_s = None if wait_ms is None else asyncio.get_running_loop().time() + wait_ms / 1000
        if self.patience is not None and not self.patience.expired():
            self.patience.reschedule(self._due_s)


async def _tell(stream: SttStream, utterance: _Utterance, leave: Pass, provider: str) -> None:
    """Pass on what is heard, until it ends, which it should not."""
    async for heard in stream:
        match heard:
            case FinalHeard():
                leave.succeeded()
            case PartialHeard():
                leave.answered()
        utterance.tell(heard, provider)
    raise ProviderError("Speech recognition ended too early.", stage="stt")
