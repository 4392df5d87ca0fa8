"""One utterance at Google, over as many calls as it takes: no word lost between two of them, none doubled."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.errors import ProviderError, ProviderUnavailable, VoiceServerError
from voice_server.providers.base import FinalHeard, PartialHeard, Transcript
from voice_server.providers.dropping import drop
from voice_server.providers.google.errors import google_error, status_of
from voice_server.providers.google.leg import Leg
from voice_server.providers.google.recognizer import Recognizer, Result
from voice_server.providers.google.verdict import Verdict
from voice_server.providers.heard import HeardQueue, joined

_MESSAGE_BYTES = 24_000  # Google takes 25 KB
_PAUSE_WANTED_S = 45.0
"""How long past its time a call may wait for a pause before it is ended in the middle of speech."""
_MOST_FRUITLESS_CALLS = 2
"""Ended by Google without a final, one after the other: the next would fare no better."""


@dataclass(frozen=True, slots=True)
class _Flush:
    mark: int


class Utterance:
    """An `SttStream`.

    Google finalises everything only when a call is closed from our side, so a flush closes the call, and what
    is said afterwards goes to a new one. A call is also replaced before Google's limit of five minutes: right
    after a final result, or, if no pause comes, where it stands.
    """

    def __init__(
        self, ready: Callable[[], Awaitable[Recognizer]], languages: Sequence[str], rotate_after_s: float
    ) -> None:
        self._ready = ready
        self._languages = languages
        self._rotate_bytes = bytes_of_ms(rotate_after_s * 1000, STT_RATE_HZ)
        self._rotate_now_bytes = self._rotate_bytes + bytes_of_ms(_PAUSE_WANTED_S * 1000, STT_RATE_HZ)
        self._work: deque[bytes | _Flush] = deque()
        self._has_work = asyncio.Event()
        self._settled: list[Result] = []  # of the calls that are over
        self._fruitless_calls = 0
        self._heard = HeardQueue()
        self._task = asyncio.create_task(self._run())

    def push(self, pcm: bytes) -> None:
        self._work += _messages(pcm)
        self._has_work.set()

    def flush(self, mark: int) -> None:
        # One that has not gone out yet is overtaken.
        self._work = deque(item for item in self._work if not isinstance(item, _Flush))
        self._work.append(_Flush(mark))
        self._has_work.set()

    def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        return aiter(self._heard)

    async def leave(self) -> None:
        """Cancel the call."""
        await drop(self._task)
        self._heard.end()

    async def _run(self) -> None:
        try:
            recognizer = await self._ready()
            while True:
                await self._some_work()
                if isinstance(flush := self._work[0], _Flush):
                    self._work.popleft()  # nothing new was said
                    self._answer(flush.mark)
                else:
                    await self._call(recognizer)
        except VoiceServerError as error:
            self._heard.end(error)
        except Exception as error:
            broken = google_error(error, "stt")
            broken.__cause__ = error
            self._heard.end(broken)

    async def _call(self, recognizer: Recognizer) -> None:
        """One call from its first message to its end; leaves in `_work` what another has to hear."""
        leg = Leg()
        call = await recognizer.open()
        verdict = Verdict(call)
        sending = asyncio.create_task(self._send(recognizer, call, leg))
        reading = asyncio.create_task(self._read(recognizer, call, leg))
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if leg.is_closed or _failure(sending) is not None:
                await asyncio.wait({reading})  # the reader is told the truth about a failed write
            failure = _failure(reading)
        finally:
            sending.cancel()
            reading.cancel()
            call.cancel()
            await asyncio.wait({sending, reading})
            _failure(sending)  # asyncio complains of a failure nobody asked for
            _failure(reading)
        if failure is not None:
            failure = verdict.truth(failure)
            if not _is_worn_out(failure):
                raise failure
        if leg.is_closed and failure is None:
            leg.settle()
        elif leg.finals:
            self._fruitless_calls = 0
        else:
            self._fruitless_calls += 1
            if self._fruitless_calls >= _MOST_FRUITLESS_CALLS:
                raise failure or ProviderError("Google ended the call before its time.", stage="stt")
        self._settled += leg.finals
        self._again(leg)

    def _again(self, leg: Leg) -> None:
        """Put back what `leg` was sent in vain; answer its flush if nothing was."""
        if leg.mark is not None:
            if not leg.open_audio:
                self._answer(leg.mark)
            elif not any(isinstance(item, _Flush) for item in self._work):
                self._work.appendleft(_Flush(leg.mark))
        if leg.open_audio:
            self._work.extendleft(reversed(_messages(bytes(leg.open_audio))))
        if self._work:
            self._has_work.set()

    async def _send(self, recognizer: Recognizer, call: Any, leg: Leg) -> None:
        """Until a flush, or until the call is too long."""
        await call.write(recognizer.configuration(self._languages))
        while leg.sent_bytes < self._rotate_now_bytes:
            await self._some_work()
            match self._work.popleft():
                case _Flush(mark):
                    leg.mark = mark
                    break
                case pcm:
                    leg.send(pcm)
                    await call.write(recognizer.audio(pcm))
        if leg.mark is None and len(leg.open_audio) < self._rotate_bytes // 2:
            return  # cheap to hear again, and then no word is cut
        leg.is_closed = True
        await call.done_writing()

    async def _read(self, recognizer: Recognizer, call: Any, leg: Leg) -> None:
        """Until the call ends, or is due for replacement and a pause has come."""
        async for response in call:
            has_final = leg.hear(recognizer.results(response))
            told = joined([result.text for result in [*self._settled, *leg.finals]], self._language)
            if text := joined([told, leg.interim], self._language):
                self._heard.put(PartialHeard(text))
            if has_final and leg.sent_bytes >= self._rotate_bytes and not leg.is_closed:
                return

    async def _some_work(self) -> None:
        while not self._work:
            self._has_work.clear()
            await self._has_work.wait()

    @property
    def _language(self) -> str:
        """What was heard, as far as that is known."""
        return next((result.language for result in self._settled if result.language), self._languages[0])

    def _answer(self, mark: int) -> None:
        sure = [result.confidence for result in self._settled if result.confidence > 0]
        transcript = Transcript(
            joined([result.text for result in self._settled], self._language),
            self._language,
            sum(sure) / len(sure) if sure else None,
        )
        self._heard.put(FinalHeard(transcript, mark))


def _messages(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + _MESSAGE_BYTES] for start in range(0, len(pcm), _MESSAGE_BYTES)]


def _failure(task: asyncio.Task[None]) -> Exception | None:
    """Why `task` failed, if it is done and has."""
    if not task.done():
        return None
    if task.cancelled():  # by the SDK, when the channel is closed under the call
        return ProviderUnavailable("the connection to Google has been closed.", stage="stt")
    error = task.exception()
    assert error is None or isinstance(error, Exception)
    return error


def _is_worn_out(failure: Exception) -> bool:
    """Whether the call came to Google's limit before we replaced it."""
    return status_of(failure) == "OUT_OF_RANGE"
