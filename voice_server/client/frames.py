"""Every frame a server sends, typed. What each means is in docs/protocol.md; here are names and units."""

from typing import Any, get_args

import msgspec
from msgspec import Struct

from voice_server.client.errors import ProtocolViolation
from voice_server.core.wire import CutCause, EndReason, StatusKind
from voice_server.errors import Stage


class _Frame(Struct, frozen=True, tag_field="type", kw_only=True):
    """`seq` counts the messages of the session from 1; 0 is not counted."""

    seq: int = 0


class ConnectionEstablished(_Frame, frozen=True, tag="connection_established"):
    """The socket is open."""

    session_id: str
    protocol: str
    server: str


class InitAck(_Frame, frozen=True, tag="init_ack"):
    """The session as it is in force."""

    status: str
    user_id: str
    conversation_id: str
    session_id: str
    config: dict[str, Any]
    resume_token: str
    resumed: bool


class Configured(_Frame, frozen=True, tag="configured"):
    """The answer to `configure`."""

    config: dict[str, Any]


class Status(_Frame, frozen=True, tag="status"):
    """What the server is doing."""

    status: StatusKind


class SpeechStarted(_Frame, frozen=True, tag="speech_started"):
    """The user began to speak; `at_ms` is a position in the input stream."""

    at_ms: float


class SpeechStopped(_Frame, frozen=True, tag="speech_stopped"):
    """The user stopped speaking; `at_ms` is a position in the input stream."""

    at_ms: float


class PartialTranscript(_Frame, frozen=True, tag="partial_transcript"):
    """What has been understood so far."""

    text: str


class Transcription(_Frame, frozen=True, tag="transcription"):
    """What the user said, final. `confidence` is 0 to 1."""

    turn_id: str
    text: str
    language: str | None
    confidence: float | None


class MessageChunk(_Frame, frozen=True, tag="message_chunk"):
    """Reply text as it is generated."""

    turn_id: str
    conversation_id: str
    message_id: str
    chunk: str
    is_final: bool


class AiResponse(_Frame, frozen=True, tag="ai_response"):
    """The whole reply text."""

    turn_id: str
    conversation_id: str
    message_id: str
    text: str


class AudioStreamStart(_Frame, frozen=True, tag="audio_stream_start"):
    """Reply audio begins; `sample_rate` is in Hz."""

    turn_id: str
    format: str
    sample_rate: int
    channels: int


class AudioChunk(_Frame, frozen=True, tag="audio_chunk"):
    """Reply audio, decoded from base64 or as a binary message brought it.

    A binary message carries nothing but `data`: the client counts `seq` and `index` and knows the turn;
    `duration_ms` is None then.
    """

    turn_id: str
    data: bytes
    index: int
    duration_ms: float | None = None
    text: str = ""


class AudioStreamEnd(_Frame, frozen=True, tag="audio_stream_end"):
    """Reply audio is over; `duration_ms` of it were sent."""

    turn_id: str
    duration_ms: float
    reason: EndReason


class Interrupted(_Frame, frozen=True, tag="interrupted"):
    """The reply was cut; the history holds `heard_text`."""

    turn_id: str
    heard_text: str
    heard_ms: float
    cause: CutCause


class ToolCall(_Frame, frozen=True, tag="tool_call"):
    """The model wants a tool of ours; `arguments` is JSON text."""

    turn_id: str
    call_id: str
    name: str
    arguments: str


class Cost(Struct, frozen=True):
    """What a turn cost."""

    amount: float
    currency: str


class Overlap(_Frame, frozen=True, tag="overlap"):
    """The user's voice over the reply is being weighed (`active`), or was nothing to stop for."""

    turn_id: str
    active: bool


class Endpointing(msgspec.Struct, frozen=True):
    """So much silence ended the user's turn, for these reasons."""

    wait_ms: float
    reasons: list[str]


class EarlyStarts(msgspec.Struct, frozen=True):
    """How often the reply was begun before the turn, whether the last of these was used, and how long before
    the turn that was begun."""

    count: int
    used: bool
    lead_ms: float = 0.0


class Metrics(_Frame, frozen=True, tag="metrics"):
    """How long the stages of a turn took; None where it had no such stage."""

    turn_id: str
    endpoint_ms: float | None
    stt_ms: float | None
    llm_first_token_ms: float | None
    tts_first_audio_ms: float | None
    response_ms: float | None
    providers: dict[str, str]
    cost: Cost
    endpointing: Endpointing | None = None
    early_starts: EarlyStarts | None = None
    llm_first_clause_ms: float | None = None
    send_ms: float | None = None


class Error(_Frame, frozen=True, tag="error"):
    """Something went wrong; `turn_id` where it happened within a turn."""

    code: str
    message: str
    retryable: bool
    stage: Stage
    turn_id: str | None = None


class Pong(_Frame, frozen=True, tag="pong"):
    """The answer to a ping."""

    timestamp: str | int | float | bool | None


class SessionEnded(_Frame, frozen=True, tag="session_ended"):
    """A clean close follows."""

    reason: str


class Unknown(Struct, frozen=True):
    """A frame of a type this client does not know, as it came."""

    raw: dict[str, Any]
    seq: int = 0


_TaggedFrame = (
    ConnectionEstablished
    | InitAck
    | Configured
    | Status
    | SpeechStarted
    | SpeechStopped
    | PartialTranscript
    | Transcription
    | MessageChunk
    | AiResponse
    | AudioStreamStart
    | AudioChunk
    | AudioStreamEnd
    | Interrupted
    | Overlap
    | ToolCall
    | Metrics
    | Error
    | Pong
    | SessionEnded
)
ServerFrame = _TaggedFrame | Unknown

FRAME_CLASSES: dict[str, type[Struct]] = {
    str(frame.__struct_config__.tag): frame for frame in get_args(_TaggedFrame)
}
"""Every known frame by its `type`."""

_DECODER: msgspec.json.Decoder[_TaggedFrame] = msgspec.json.Decoder(_TaggedFrame)


def read_frame(text: str) -> ServerFrame:
    """Read one text message.

    Raises:
        ProtocolViolation: no JSON object, or a known type without its fields.
    """
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError as error:
        match msgspec.json.decode(text):
            case {"type": str(frame_type), **rest} as raw if frame_type not in FRAME_CLASSES:
                seq = rest.get("seq")
                return Unknown(raw, seq if isinstance(seq, int) else 0)
            case _:
                raise ProtocolViolation(f"The server sent a frame that cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise ProtocolViolation(f"The server sent text that is no JSON: {error}") from error
