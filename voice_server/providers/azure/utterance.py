"""One utterance at Azure."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import assert_never

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.providers.azure.errors import azure_error
from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.azure.recognition import Over, Phrase, Recognition, Supposed, Told
from voice_server.providers.azure.threads import Threads
from voice_server.providers.base import FinalHeard, PartialHeard, Transcript
from voice_server.providers.dropping import drop
from voice_server.providers.heard import HeardQueue, joined

_PART_BYTES = bytes_of_ms(1_000, STT_RATE_HZ)
_MOST_UNHEARD_BYTES = bytes_of_ms(65_000, STT_RATE_HZ)
"""The SDK keeps what no phrase has answered, and fails at 70 to 80 s of it; Azure ends a phrase within 60."""
_LETS_GO_S = 0.05
"""So long after it has told of a phrase the SDK has let go of its audio."""


class Utterance:
    """An `SttStream`.

    Azure finalises everything only when the audio ends, so a flush ends it, and what is said afterwards goes
    to a new recognition. After a broken connection the SDK sends audio again by itself and its partials go
    back; each replaces the one before, so that does no harm.
    """

    def __init__(self, options: AzureOptions, threads: Threads, language: str) -> None:
        self._options = options
        self._threads = threads
        self._language = language
        self._work: deque[bytes | int] = deque()  # audio, and the marks of flushes
        self._told: deque[Told] = deque()
        self._news = asyncio.Event()
        self._phrases: list[Phrase] = []
        self._heard = HeardQueue()
        self._task = asyncio.create_task(self._run())

    def push(self, pcm: bytes) -> None:
        self._work += (pcm[start : start + _PART_BYTES] for start in range(0, len(pcm), _PART_BYTES))
        self._news.set()

    def flush(self, mark: int) -> None:
        # One that has not gone out yet is overtaken.
        self._work = deque(item for item in self._work if isinstance(item, bytes))
        self._work.append(mark)
        self._news.set()

    def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        return aiter(self._heard)

    async def leave(self) -> None:
        """Nothing more is told; the SDK stops on a thread, and nobody waits for it."""
        await drop(self._task)
        self._heard.end()

    async def _run(self) -> None:
        try:
            while True:
                if not self._work:
                    await self._some_news()
                elif isinstance(mark := self._work[0], int):
                    self._work.popleft()  # nothing new was said
                    self._answer(mark)
                else:
                    await self._recognise()
        except VoiceServerError as error:
            self._heard.end(error)
        except Exception as error:
            broken = azure_error(error, "stt")
            broken.__cause__ = error
            self._heard.end(broken)

    async def _recognise(self) -> None:
        """One recognition, until it is over after a flush."""
        self._told.clear()
        recognition = Recognition(self._options, self._language, self._hear)
        mark: int | None = None
        written_bytes = heard_bytes = 0
        try:
            await self._threads.run(recognition.begin)
            while True:
                while self._told:
                    match self._told.popleft():
                        case Supposed(text):
                            self._heard.put(PartialHeard(self._joined(text)))
                        case Phrase() as phrase:
                            self._phrases.append(phrase)
                            if written_bytes > _MOST_UNHEARD_BYTES and mark is None:
                                await asyncio.sleep(_LETS_GO_S)
                            heard_bytes = bytes_of_ms(phrase.end_ms, STT_RATE_HZ)
                        case Over(error):
                            if error is not None:
                                raise error
                            if mark is None:
                                raise ProviderError(
                                    "Azure ended the recognition before its time.", stage="stt"
                                )
                            self._answer(mark)
                            return
                        case never:
                            assert_never(never)
                while self._work and mark is None:
                    match self._work[0]:
                        case bytes() as pcm if written_bytes + len(pcm) > heard_bytes + _MOST_UNHEARD_BYTES:
                            break
                        case bytes() as pcm:
                            written_bytes += len(pcm)
                            recognition.write(pcm)
                        case int() as asked:
                            mark = asked
                            recognition.finish()
                    self._work.popleft()
                await self._some_news()
        finally:
            recognition.leave()
            self._threads.later(recognition.stop)

    def _hear(self, told: Told) -> None:
        self._told.append(told)
        self._news.set()

    async def _some_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _answer(self, mark: int) -> None:
        sure = [
            phrase.confidence for phrase in self._phrases if phrase.text and phrase.confidence is not None
        ]
        confidence = sum(sure) / len(sure) if sure else None
        self._heard.put(FinalHeard(Transcript(self._joined(""), self._language, confidence), mark))

    def _joined(self, more: str) -> str:
        return joined([*(phrase.text for phrase in self._phrases), more], self._language)
