"""One voice activity model for all sessions: windows that nobody waits for wait a moment for company.

In a batch a window costs less than half. While a session is quiet, its next window comes 32 ms later, and
nothing follows from one window alone: so this one may be judged any time before. As soon as there is voice,
or a second window, it is judged at once, with all that wait. So no edge is told later than without.
"""

import asyncio
from collections.abc import Callable

import numpy as np

from voice_server.audio.voice_activity import Vad, VoiceDetector, VoiceEdge

__all__ = ["SharedVad"]

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

    def ask(self, detector: VoiceDetector, tell: Tell, *, is_urgent: bool) -> None:
        """Judge what the detector has in question: at once if it is urgent, else soon."""
        self._waiting[detector] = tell
        if is_urgent or detector.has_more:
            self._judge()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WAIT_S, self._judge)

    def forget(self, detector: VoiceDetector) -> None:
        """Nobody wants to know any more."""
        self._waiting.pop(detector, None)

    def _judge(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            detectors = list(self._waiting)[:_MOST_AT_ONCE]
            tells = [self._waiting.pop(one) for one in detectors]
            questions = [question for one in detectors if (question := one.question) is not None]
            assert len(questions) == len(detectors)
            windows = np.stack([window for window, _ in questions])
            probabilities, states = self._model.probabilities(windows, [state for _, state in questions])
            for detector, tell, probability, state in zip(
                detectors, tells, probabilities.tolist(), states, strict=True
            ):
                if edges := detector.answer(probability, state):
                    tell(edges)
                if detector.question is not None:
                    self._waiting[detector] = tell
