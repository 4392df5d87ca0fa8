"""One voice activity model for all sessions: windows that nobody waits for wait a moment for company.

In a batch a window costs less than half. Voice begins, is confirmed and ends after several windows alike, so
the answer to most windows makes no edge, and they may be judged any time before the next comes, 32 ms later.
A window that may make an edge is judged at once, with all that wait. So no edge is told later than without.
"""

import asyncio
from collections.abc import Callable

import numpy as np
import structlog

from voice_server.audio.voice_activity import Vad, VoiceDetector, VoiceEdge

__all__ = ["SharedVad"]

log = structlog.get_logger()

_WAIT_S = 0.02
_MOST_AT_ONCE = 64

Tell = Callable[[list[VoiceEdge]], None]


class SharedVad:
    """Answers the questions of all detectors. Called from the event loop."""

    def __init__(self, model: Vad) -> None:
        self._model = model
        self._waiting: dict[VoiceDetector, Tell] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def model(self) -> Vad:
        """What judges."""
        return self._model

    def ask(self, detector: VoiceDetector, tell: Tell) -> None:
        """Judge what the detector has in question: at once if it is pressing, else soon."""
        self._waiting[detector] = tell
        if detector.is_pressing:
            self._judge()
        else:
            self._judge_soon()

    def forget(self, detector: VoiceDetector) -> None:
        """Nobody wants to know any more."""
        self._waiting.pop(detector, None)

    def _judge_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WAIT_S, self._judge)

    def _judge(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        is_pressing = True
        while is_pressing:
            asked, self._waiting = list(self._waiting.items()), {}
            for at in range(0, len(asked), _MOST_AT_ONCE):
                self._answer(asked[at : at + _MOST_AT_ONCE])
            is_pressing = any(detector.is_pressing for detector in self._waiting)
        if self._waiting:
            self._judge_soon()

    def _answer(self, asked: list[tuple[VoiceDetector, Tell]]) -> None:
        questions = [question for detector, _ in asked if (question := detector.question) is not None]
        windows = np.stack([window for window, _ in questions])
        probabilities, states = self._model.probabilities(windows, [state for _, state in questions])
        for (detector, tell), probability, state in zip(asked, probabilities.tolist(), states, strict=True):
            edges = detector.answer(probability, state)
            if detector.question is not None:
                self._waiting[detector] = tell
            if edges:
                try:
                    tell(edges)
                except Exception:  # whoever asked may be another session: this is not its trouble
                    log.exception("session broke at the edge of a voice")
