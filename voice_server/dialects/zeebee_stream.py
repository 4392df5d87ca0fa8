"""The wire of `/voice/stream/{id}`: a recording goes up in pieces, one spoken answer comes down.

The client's first text frame has no `type`: it holds a token and what is wished for. Binary messages follow,
usually one whole file, then `{"type": "end_of_audio"}`. The answer is `transcription`, `ai_response`, binary
audio and `end_of_response`; the client closes.
"""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    Changes,
    Clip,
    Configured,
    ErrorOut,
    Established,
    Init,
    InitAck,
    Input,
    Interrupted,
    MessageChunk,
    Metrics,
    Output,
    OutputAudioChanges,
    OverlapOut,
    PartialOut,
    Pong,
    SessionEnded,
    SpeechStartedOut,
    SpeechStoppedOut,
    Status,
    ToolCall,
    TranscriptionOut,
)
from voice_server.dialects.base import DialectTraits
from voice_server.errors import ProtocolError

CLIP_LIMIT_BYTES = 16 * 1024 * 1024
_CONTROL_LIMIT_BYTES = 64 * 1024

_RAW_ENCODINGS = {"LINEAR16": "pcm16", "PCM16": "pcm16", "MULAW": "mulaw", "ALAW": "alaw"}
_REPLY_AUDIO = OutputAudioChanges(format="wav", transport="binary")


class _AudioConfig(msgspec.Struct, frozen=True):
    sample_rate: int | None = None
    encoding: str | None = None


class _Frame(msgspec.Struct, frozen=True):
    type: str | None = None
    token: str | None = None
    config: _AudioConfig | None = None
    voice_id: str | None = None
    language_code: str | None = None


_DECODER = msgspec.json.Decoder(_Frame)


class ZeebeeStreamDialect:
    """One connection's codec. It keeps the recording until its end is told."""

    def __init__(self, clip_limit_bytes: int = CLIP_LIMIT_BYTES) -> None:
        self._clip_limit_bytes = clip_limit_bytes
        self._recording = bytearray()
        self._overflowed = False
        self._declared = _AudioConfig()

    @property
    def traits(self) -> DialectTraits:
        return DialectTraits(name="zeebee_stream", paced=False, numbered=False)

    def decode(self, message: str | bytes) -> Sequence[Input]:
        """Read one message. Pieces of a recording say nothing until `end_of_audio`.

        Raises:
            ProtocolError: with code `bad_json`, `bad_field`, `unknown_type` or `too_large`.
        """
        if not isinstance(message, str):
            self._collect(message)
            return ()
        frame = _read(message)
        match frame.type:
            case None:
                self._declared = frame.config or _AudioConfig()
                return (_init(frame),)
            case "end_of_audio":
                return (self._take_clip(),)
            case _:
                raise ProtocolError(
                    "This path knows two text frames: a first one without `type`, and `end_of_audio`.",
                    code="unknown_type",
                )

    def encode(self, output: Output, seq: int) -> Sequence[str | bytes]:
        """Write one output: one message, two, or none where this wire has no word for it."""
        match output:
            case TranscriptionOut():
                return (_text("transcription", text=output.text),)
            case AiResponse():
                return (_text("ai_response", text=output.text, conversation_id=output.conversation_id),)
            case AudioOut():
                return (output.data,)
            case Metrics():
                return (_text("end_of_response"),)
            case ErrorOut():
                error = _text("error", message=output.message, code=output.code)
                if output.stage == "protocol" and output.turn_id is None:
                    # What was refused begins no turn, so nothing else would end the client's wait.
                    return (error, _text("end_of_response"))
                return (error,)
            case SessionEnded():
                return (_text("session_ended"),)
            case (
                Established()
                | InitAck()
                | Configured()
                | Status()
                | SpeechStartedOut()
                | SpeechStoppedOut()
                | PartialOut()
                | MessageChunk()
                | AudioStart()
                | AudioEnd()
                | Interrupted()
                | OverlapOut()
                | ToolCall()
                | Pong()
            ):
                return ()
            case _:
                assert_never(output)

    def _collect(self, piece: bytes) -> None:
        if len(self._recording) + len(piece) > self._clip_limit_bytes:
            self._overflowed = True  # told once, at the end of the audio
            self._recording.clear()
        if not self._overflowed:
            self._recording += piece

    def _take_clip(self) -> Clip:
        if self._overflowed:
            self._overflowed = False
            raise ProtocolError(
                f"The recording is over {self._clip_limit_bytes} bytes. Send a shorter or a compressed one.",
                code="too_large",
            )
        data = bytes(self._recording)
        self._recording.clear()
        # A container speaks for itself whatever was declared: clients declare LINEAR16 and send WAV or WebM.
        return Clip(
            data=data,
            format=_RAW_ENCODINGS.get((self._declared.encoding or "LINEAR16").upper()),
            sample_rate=self._declared.sample_rate,
        )


def _read(message: str) -> _Frame:
    if len(message) > _CONTROL_LIMIT_BYTES:
        raise ProtocolError(
            f"A text frame may have {_CONTROL_LIMIT_BYTES} bytes; audio goes in binary messages.",
            code="too_large",
        )
    try:
        return _DECODER.decode(message)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"The frame cannot be used: {error}.", code="bad_field") from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ProtocolError("A text frame must be one JSON object.", code="bad_json") from error


def _init(frame: _Frame) -> Init:
    return Init(
        api_key=frame.token or None,
        changes=Changes(
            language_code=frame.language_code,
            tts_voice=None if frame.voice_id in ("default", "") else frame.voice_id,
            output_audio=_REPLY_AUDIO,
        ),
    )


def _text(frame_type: str, **fields: str) -> str:
    return msgspec.json.encode({"type": frame_type, **fields}).decode()
