"""One turn, collected."""

from dataclasses import dataclass, field

from voice_server.client.frames import (
    AiResponse,
    AudioChunk,
    AudioStreamEnd,
    AudioStreamStart,
    Error,
    Interrupted,
    MessageChunk,
    Metrics,
    ServerFrame,
    ToolCall,
    Transcription,
)
from voice_server.core.wire import EndReason

TurnFrame = (
    Transcription
    | MessageChunk
    | AiResponse
    | AudioStreamStart
    | AudioChunk
    | AudioStreamEnd
    | Interrupted
    | ToolCall
    | Metrics
    | Error
)


@dataclass(frozen=True, slots=True)
class TimedChunk:
    """Reply audio and when it came, in seconds of the event loop's clock."""

    data: bytes
    at_s: float


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One turn, from its first frame to its `metrics`.

    `transcript` is None where the user did not speak. `reply` is the whole reply text, or of a reply that was
    cut what had been written. `audio` is in `format` at `sample_rate_hz`; for wav, mp3 and opus it is a file.
    `end_reason` is None where no audio began. `errors` holds what went wrong during the turn.
    """

    turn_id: str
    transcript: str | None
    reply: str
    format: str | None
    sample_rate_hz: int | None
    chunks: tuple[TimedChunk, ...]
    end_reason: EndReason | None
    interrupted: Interrupted | None
    tool_calls: tuple[ToolCall, ...]
    errors: tuple[Error, ...]
    metrics: Metrics

    @property
    def audio(self) -> bytes:
        """All reply audio, joined."""
        return b"".join(chunk.data for chunk in self.chunks)

    @property
    def first_audio_at_s(self) -> float | None:
        """When the first sound came, in seconds of the event loop's clock; None for a turn without."""
        return self.chunks[0].at_s if self.chunks else None


@dataclass(slots=True)
class TurnCollector:
    """Puts the frames of one turn together. The first frame that names a turn says which."""

    turn_id: str | None = None
    _transcript: str | None = None
    _written: list[str] = field(default_factory=list)
    _reply: str | None = None
    _audio_start: AudioStreamStart | None = None
    _chunks: list[TimedChunk] = field(default_factory=list)
    _end_reason: EndReason | None = None
    _interrupted: Interrupted | None = None
    _tool_calls: list[ToolCall] = field(default_factory=list)
    _errors: list[Error] = field(default_factory=list)

    def belongs(self, frame: ServerFrame) -> bool:
        """Whether `frame` is of this turn (an error that names no turn is)."""
        if not isinstance(frame, TurnFrame):
            return False
        return frame.turn_id is None or self.turn_id in (None, frame.turn_id)

    def add(self, frame: ServerFrame, at_s: float) -> TurnResult | None:
        """Take a frame that belongs here; the result when it was the last."""
        if isinstance(frame, TurnFrame) and self.turn_id is None:
            self.turn_id = frame.turn_id
        match frame:
            case Transcription():
                self._transcript = frame.text
            case MessageChunk():
                self._written.append(frame.chunk)
            case AiResponse():
                self._reply = frame.text
            case AudioStreamStart():
                self._audio_start = frame
            case AudioChunk():
                self._chunks.append(TimedChunk(frame.data, at_s))
            case AudioStreamEnd():
                self._end_reason = frame.reason
            case Interrupted():
                self._interrupted = frame
            case ToolCall():
                self._tool_calls.append(frame)
            case Error():
                self._errors.append(frame)
            case Metrics():
                return self._result(frame)
            case _:
                pass
        return None

    def _result(self, metrics: Metrics) -> TurnResult:
        start = self._audio_start
        return TurnResult(
            turn_id=metrics.turn_id,
            transcript=self._transcript,
            reply="".join(self._written) if self._reply is None else self._reply,
            format=start.format if start else None,
            sample_rate_hz=start.sample_rate if start else None,
            chunks=tuple(self._chunks),
            end_reason=self._end_reason,
            interrupted=self._interrupted,
            tool_calls=tuple(self._tool_calls),
            errors=tuple(self._errors),
            metrics=metrics,
        )
