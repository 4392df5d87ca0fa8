"""Holds back what says that something is saved until it is.

Everything behind it waits too, so that the order stays; the pipeline does not. What cannot be saved within a
moment is said all the same, with an error: then it was not acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from voice_server.core.wire import AiResponse, ErrorOut, Output, TranscriptionOut
from voice_server.errors import StoreError

PATIENCE_MS = 250.0


class Gate:
    """One per session.

    Args:
        put: takes what may go out, in order.
    """

    def __init__(self, put: Callable[[Output], None]) -> None:
        self._put = put
        self._held: deque[tuple[Output, asyncio.Future[bool] | None]] = deque()

    def show(self, output: Output) -> None:
        """Say it, after what is held back."""
        if self._held:
            self._held.append((output, None))
        else:
            self._put(output)

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

        def decide(is_saved: bool) -> None:
            if not verdict.done():
                verdict.set_result(is_saved)
                self._release()

        def decide_by(one: asyncio.Future[None]) -> None:
            alarm.cancel()
            decide(not one.cancelled() and one.exception() is None)

        alarm = loop.call_later(PATIENCE_MS / 1000, decide, False)
        if saving.done():
            alarm.cancel()
            verdict.set_result(not saving.cancelled() and saving.exception() is None)
        else:
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


def _not_saved(output: TranscriptionOut | AiResponse) -> ErrorOut:
    what = "What you said" if isinstance(output, TranscriptionOut) else "This reply"
    sentence = f"{what} could not be saved yet; it is tried again."
    return ErrorOut(StoreError.code, sentence, retryable=True, stage="internal", turn_id=output.turn_id)
