"""Holds back what says that something is saved until it is.

What is told behind it waits too, so that the order stays; the pipeline does not, nor does sound: the caller
hears a reply no later for a slow disk. What cannot be saved within a moment is said all the same, with an
error: then it was not acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    ErrorOut,
    Interrupted,
    Output,
    TranscriptionOut,
)
from voice_server.errors import StoreError


class Gate:
    """One per session.

    Args:
        put: takes what may go out, in order.
        patience_ms: how long something may be held back.
    """

    def __init__(self, put: Callable[[Output], None], patience_ms: float) -> None:
        self._put = put
        self._patience_ms = patience_ms
        self._held: deque[tuple[Output, asyncio.Future[bool] | None]] = deque()

    def show(self, output: Output) -> None:
        """Say it, after what is held back, if it is no sound."""
        if not self._held or self._may_overtake(output):
            self._put(output)
        else:
            self._held.append((output, None))

    def _may_overtake(self, output: Output) -> bool:
        """Sound goes ahead of words, but not of the end of the sound before it."""
        is_sound = isinstance(output, AudioStart | AudioOut)
        return is_sound and not any(isinstance(one, AudioEnd | Interrupted) for one, _ in self._held)

    def show_saved(self, output: TranscriptionOut | AiResponse, saved: Awaitable[None]) -> None:
        """Say it once it is saved, or with an error if that fails or takes too long."""
        self._held.append((output, self._verdict(saved)))
        self._release()

    async def empty(self) -> None:
        """Until nothing is held back any more."""
        while self._held:
            verdict = self._held[0][1]
            if verdict is not None:
                await asyncio.wait({verdict})
            self._release()

    def _verdict(self, saved: Awaitable[None]) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        verdict: asyncio.Future[bool] = loop.create_future()
        saving = asyncio.ensure_future(saved)
        if saving.done():
            verdict.set_result(_went_well(saving))
            return verdict

        def decide(is_saved: bool) -> None:
            if not verdict.done():
                verdict.set_result(is_saved)
                self._release()

        def decide_by(one: asyncio.Future[None]) -> None:
            alarm.cancel()
            decide(_went_well(one))

        alarm = loop.call_later(self._patience_ms / 1000, decide, False)
        saving.add_done_callback(decide_by)
        return verdict

    def _release(self) -> None:
        while self._held:
            output, verdict = self._held[0]
            if verdict is not None and not verdict.done():
                return
            self._held.popleft()
            self._put(output)
            if verdict is not None and not verdict.result():
                assert isinstance(output, TranscriptionOut | AiResponse)
                self._put(_not_saved(output))


def _went_well(saving: asyncio.Future[None]) -> bool:
    return not saving.cancelled() and saving.exception() is None


def _not_saved(output: TranscriptionOut | AiResponse) -> ErrorOut:
    what = "What you said" if isinstance(output, TranscriptionOut) else "This reply"
    sentence = f"{what} could not be saved yet; it is tried again."
    return ErrorOut(StoreError.code, sentence, retryable=True, stage="internal", turn_id=output.turn_id)
