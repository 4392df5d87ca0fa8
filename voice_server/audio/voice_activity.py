"""Where speech begins and ends in a stream: the Silero model, and the rules that make edges of its word."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ
from voice_server.audio.onnx import open_model
from voice_server.errors import AudioError

__all__ = [
    "WINDOW_SAMPLES",
    "EdgeKind",
    "SileroVad",
    "VadSettings",
    "VadState",
    "VoiceDetector",
    "VoiceEdge",
    "Vad",
]

WINDOW_SAMPLES = 512
"""What the model judges at once: 32 ms at 16 kHz."""

_CONTEXT_SAMPLES = 64
_WINDOW_BYTES = WINDOW_SAMPLES * BYTES_PER_SAMPLE
_SAMPLES_PER_MS = STT_RATE_HZ // 1000
_WINDOW_MS = WINDOW_SAMPLES / _SAMPLES_PER_MS
_PER_STEP = np.float32(1 / 32_768)


# ── The model ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class VadState:
    """What the model remembers of one stream: float32, `context[64]` samples and `memory[2, 128]`."""

    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_CONTEXT_SAMPLES, np.float32))
    memory: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 128), np.float32))


class Vad(Protocol):
    """What tells voice from other sound."""

    def probabilities(
        self, windows: NDArray[np.float32], states: Sequence[VadState]
    ) -> tuple[NDArray[np.float32], list[VadState]]:
        """Judge the next window of each of B streams.

        `windows` is [B, 512] samples from -1 to 1 at 16 kHz; gives B probabilities and B states for the next.
        """
        ...


class SileroVad:
    """Silero VAD, the plain ONNX file. One object serves every stream, from any thread."""

    def __init__(self, model_path: Path) -> None:
        """Load the model.

        Raises:
            ModelFileError: the file is missing or damaged.
        """
        self._session = open_model(model_path)
        self._rate = np.array(STT_RATE_HZ, np.int64)

    def close(self) -> None:
        """Free the model, whoever still holds this object."""
        del self._session

    def probabilities(
        self, windows: NDArray[np.float32], states: Sequence[VadState]
    ) -> tuple[NDArray[np.float32], list[VadState]]:
        """See `Vad.probabilities`. A batch of 32 costs less than half of 32 calls."""
        contexts = np.stack([state.context for state in states])
        memories = np.stack([state.memory for state in states], axis=1)
        voiced, memories = self._session.run(
            None, {"input": np.concatenate([contexts, windows], axis=1), "state": memories, "sr": self._rate}
        )
        # Copies: a view would keep the whole batch alive as long as its slowest stream.
        following = [
            VadState(window[-_CONTEXT_SAMPLES:].copy(), memories[:, row].copy())
            for row, window in enumerate(windows)
        ]
        return voiced[:, 0], following


# ── The edges ────────────────────────────────────────────────────────────────────────────────────


class EdgeKind(StrEnum):
    """What happened."""

    STARTED = "started"
    CONFIRMED = "confirmed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class VoiceEdge:
    """Something happened at `at_ms` of the stream, which lies a little before the position that showed it.

    `at_ms` is where the voice began (STARTED), where it had been heard for long enough (CONFIRMED),
    or where it ended (STOPPED).
    """

    kind: EdgeKind
    at_ms: float


@dataclass(frozen=True, slots=True)
class VadSettings:
    """How sure, how long, how loud.

    Voice starts at `threshold` and goes on down to `threshold - hysteresis`. It has STARTED after `start_ms`
    in one piece, is CONFIRMED once `confirm_ms` of its stretch were voiced, STOPPED after `stop_ms` without.
    It ended where it was last above `threshold`, at most `tail_ms` before it was last heard at all: the model
    hears on for a moment when nobody speaks any more.

    After `rest_ms` of windows below `gate_dbfs`, and of no voice, the model rests until a louder one comes;
    then it is asked about the last `prelude_ms` too, in which a voice may have begun unnoticed.
    """

    threshold: float = 0.5
    hysteresis: float = 0.15
    start_ms: float = 64
    confirm_ms: float = 200
    stop_ms: float = 96
    tail_ms: float = 64
    gate_dbfs: float = -60
    rest_ms: float = 320
    prelude_ms: float = 480


class VoiceDetector:
    """The edges of one stream; positions are milliseconds since its origin, judged in windows of 32 ms."""

    def __init__(self, model: Vad, settings: VadSettings | None = None) -> None:
        self._model = model
        self._settings = settings or VadSettings()
        self._gate_power = WINDOW_SAMPLES * 10 ** (self._settings.gate_dbfs / 10)
        self._state = VadState()
        self._pending = bytearray()
        self._window: NDArray[np.float32] | None = None  # first of the pending, if the model must judge it
        self._judged_ms = 0.0
        self._quiet_ms = 0.0  # below the gate, and no voice to the model either
        self._prelude_bytes = int(self._settings.prelude_ms / _WINDOW_MS) * _WINDOW_BYTES
        self._is_resting = True  # the model is not asked; the last windows stay among the pending
        self._passed_bytes = 0  # of the pending, those that were quiet
        self._speaking = False
        self._confirmed = False
        self._voice_began_ms = 0.0
        self._voice_ended_ms = 0.0  # however unsure
        self._surely_until_ms = 0.0
        self._voiced_ms = 0.0

    @property
    def position_ms(self) -> float:
        """How much of the stream has come, the last piece of a window included."""
        return self._judged_ms + len(self._pending) / BYTES_PER_SAMPLE / _SAMPLES_PER_MS

    @property
    def speaking(self) -> bool:
        """Whether the last edge is not STOPPED."""
        return self._speaking

    def push(self, pcm: bytes) -> list[VoiceEdge]:
        """Judge the next PCM16 mono at 16 kHz, any length; what is no whole window yet waits for the rest.

        Raises:
            AudioError: `odd_length`, half a sample at the end; nothing was consumed.
        """
        self.add(pcm)
        edges: list[VoiceEdge] = []
        while (question := self.question) is not None:
            window, state = question
            probabilities, (following,) = self._model.probabilities(window[np.newaxis], [state])
            edges += self.answer(float(probabilities[0]), following)
        return edges

    def add(self, pcm: bytes) -> None:
        """Like `push`, but only up to the window of `question`.

        Raises:
            AudioError: `odd_length`, half a sample at the end; nothing was consumed.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise AudioError(f"{len(pcm)} bytes are no whole number of 16-bit samples.", code="odd_length")
        self._pending += pcm
        if self._window is None:
            self._take_up()

    @property
    def question(self) -> tuple[NDArray[np.float32], VadState] | None:
        """The window that the model must judge next, and what it remembers; None while there is none."""
        return None if self._window is None else (self._window, self._state)

    @property
    def is_pressing(self) -> bool:
        """Whether the answer may make an edge, or another whole window waits behind the one in question."""
        settings = self._settings
        if len(self._pending) >= 2 * _WINDOW_BYTES:
            return True
        if not self._speaking:
            return self._voiced_ms + _WINDOW_MS >= settings.start_ms
        if not self._confirmed and self._voiced_ms + _WINDOW_MS >= settings.confirm_ms:
            return True
        return self._judged_ms + _WINDOW_MS - self._voice_ended_ms >= settings.stop_ms

    def answer(self, probability: float, following: VadState) -> list[VoiceEdge]:
        """What the model makes of the window in question, and what it remembers from now on."""
        assert self._window is not None
        is_loud = self._is_loud(self._window)
        del self._pending[:_WINDOW_BYTES]
        self._window, self._state = None, following
        is_stirred = self._speaking or self._voiced_ms > 0
        threshold = self._settings.threshold - self._settings.hysteresis * is_stirred
        is_voiced = probability >= threshold
        edges = self._hear_voice() if is_voiced else self._hear_silence()
        if probability >= self._settings.threshold:
            self._surely_until_ms = self._judged_ms
        self._quiet_ms = 0.0 if is_voiced or is_loud else self._quiet_ms + _WINDOW_MS
        self._is_resting = self._quiet_ms >= self._settings.rest_ms and not self._speaking
        self._take_up()
        return edges

    def _take_up(self) -> None:
        """Put the next window in question, unless the model rests."""
        if self._is_resting:
            self._rest_on()
        if not self._is_resting and len(self._pending) >= _WINDOW_BYTES:
            self._window = self._window_at(0)

    def _rest_on(self) -> None:
        """Let quiet windows pass, the last of them kept, up to one that wakes the model."""
        while len(self._pending) >= self._passed_bytes + _WINDOW_BYTES:
            if self._is_loud(self._window_at(self._passed_bytes)):
                self._is_resting, self._passed_bytes = False, 0
                self._quiet_ms = -self._settings.prelude_ms  # of which the model is yet to be asked
                return
            self._passed_bytes += _WINDOW_BYTES
            if self._passed_bytes > self._prelude_bytes:
                self._state = VadState(self._window_at(0)[-_CONTEXT_SAMPLES:])
                del self._pending[:_WINDOW_BYTES]
                self._passed_bytes -= _WINDOW_BYTES
                self._judged_ms += _WINDOW_MS

    def _window_at(self, start: int) -> NDArray[np.float32]:
        samples = np.frombuffer(bytes(self._pending[start : start + _WINDOW_BYTES]), "<i2")
        return samples.astype(np.float32) * _PER_STEP

    def _is_loud(self, window: NDArray[np.float32]) -> bool:
        return float(window @ window) >= self._gate_power

    def _hear_voice(self) -> list[VoiceEdge]:
        if not self._voiced_ms:
            self._voice_began_ms = self._judged_ms
        self._judged_ms += _WINDOW_MS
        self._voice_ended_ms = self._judged_ms
        self._voiced_ms += _WINDOW_MS
        edges: list[VoiceEdge] = []
        if not self._speaking and self._voiced_ms >= self._settings.start_ms:
            self._speaking = True
            edges.append(VoiceEdge(EdgeKind.STARTED, self._voice_began_ms))
        if self._speaking and not self._confirmed and self._voiced_ms >= self._settings.confirm_ms:
            self._confirmed = True
            self._surely_until_ms = self._judged_ms
            edges.append(VoiceEdge(EdgeKind.CONFIRMED, self._judged_ms))
        return edges

    def _hear_silence(self) -> list[VoiceEdge]:
        self._judged_ms += _WINDOW_MS
        if not self._speaking:
            self._voiced_ms = 0.0
            return []
        if self._judged_ms - self._voice_ended_ms < self._settings.stop_ms:
            return []
        self._speaking = self._confirmed = False
        self._voiced_ms = 0.0
        ended_ms = max(self._surely_until_ms, self._voice_ended_ms - self._settings.tail_ms)
        return [VoiceEdge(EdgeKind.STOPPED, ended_ms)]
