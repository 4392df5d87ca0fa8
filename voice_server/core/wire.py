"""What a caller can say and what a caller can be told, whatever the wire.

A dialect turns its frames into `Input`s and `Output`s into its frames; it only wraps and unwraps bytes.
`Input` and `Output` are wider than the core's `Event` and `Command`: the session answers by itself what needs
no decision (a ping, a change of settings).

It is one list and no logic, so that whoever writes a wire sees all there is to carry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from voice_server.errors import Stage, VoiceServerError
from voice_server.ids import ConversationId, MessageId, SessionId, TurnId

# ── What may be chosen ───────────────────────────────────────────────────────────────────────────


class TurnMode(StrEnum):
    """Who decides that the user has finished."""

    SEMANTIC = "semantic"  # silence, its length set by how finished the utterance sounds
    VAD = "vad"  # silence of a fixed length
    MANUAL = "manual"  # the client, by a commit


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InputAudioChanges:
    """A wish about the input stream; None leaves a field as it is."""

    format: str | None = None
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class OutputAudioChanges:
    """A wish about reply audio; None leaves a field as it is."""

    format: str | None = None
    sample_rate: int | None = None
    transport: str | None = None


@dataclass(frozen=True, slots=True)
class TurnDetectionChanges:
    """A wish about turn-taking; None leaves a field as it is."""

    mode: TurnMode | None = None
    threshold: float | None = None
    silence_ms: float | None = None
    prefix_ms: float | None = None
    interrupt: bool | None = None


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """A named system prompt with its variables."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """Wishes about a session; None leaves a field as it is, nested ones are merged field by field.

    `tools` are the client's own. `allowed_tools` are patterns that narrow the server's; the server itself
    sets them, for a template, and no wire carries them.
    """

    model: str | None = None
    stt_provider: str | None = None
    tts_provider: str | None = None
    tts_voice: str | None = None
    language_code: str | None = None
    system_prompt: str | None = None
    template: TemplateChoice | None = None
    input_audio: InputAudioChanges | None = None
    output_audio: OutputAudioChanges | None = None
    turn_detection: TurnDetectionChanges | None = None
    tools: tuple[ToolSpec, ...] | None = None
    allowed_tools: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """The wish to go on with a session after a dropped connection; `last_seq` is the last message seen."""

    session_id: str
    token: str
    last_seq: int


# ── Inputs: what a caller can say ────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Init:
    """The first frame: who it is and what is wished for."""

    api_key: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    changes: Changes = Changes()
    greeting: str | None = None
    resume: Resume | None = None


@dataclass(frozen=True, slots=True)
class Configure:
    """A change of settings, in force from the next turn (formats: from the next stream)."""

    changes: Changes


@dataclass(frozen=True, slots=True)
class Clip:
    """One recorded utterance, a whole user turn. `changes` hold for this turn only.

    `format` and `sample_rate` describe raw PCM; a known container speaks for itself.
    """

    data: bytes
    format: str | None = None
    sample_rate: int | None = None
    conversation_id: str | None = None
    changes: Changes = Changes()


@dataclass(frozen=True, slots=True)
class StreamStart:
    """Opens the input stream."""

    changes: InputAudioChanges = InputAudioChanges()


@dataclass(frozen=True, slots=True)
class AudioIn:
    """Audio of the open stream, in its declared format."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AudioCommit:
    """The utterance is over (manual mode)."""


@dataclass(frozen=True, slots=True)
class AudioClear:
    """Forget what was heard since the last turn."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Closes the input stream."""


@dataclass(frozen=True, slots=True)
class TextIn:
    """A typed user turn. `wants_audio` is false for a text-only reply."""

    text: str
    conversation_id: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    wants_audio: bool = True


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the reply now."""


@dataclass(frozen=True, slots=True)
class Playback:
    """How much of a reply the listener has heard, in ms of its audio. `is_paused`: it is not played on."""

    turn_id: str
    played_ms: float
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The client's answer to a tool call."""

    call_id: str
    output: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """Liveness; `timestamp` is given back as it came."""

    timestamp: Any = None


@dataclass(frozen=True, slots=True)
class End:
    """The client is done."""


Input = (
    Init
    | Configure
    | Clip
    | StreamStart
    | AudioIn
    | AudioCommit
    | AudioClear
    | StreamEnd
    | TextIn
    | Stop
    | Playback
    | ToolResult
    | Ping
    | End
)

# ── Outputs: what a caller can be told ───────────────────────────────────────────────────────────


class StatusKind(StrEnum):
    """What the server is doing for this caller."""

    WARMING = "warming"
    READY = "ready"
    LISTENING = "listening"
    PROCESSING = "processing"
    SPEAKING = "speaking"


class EndReason(StrEnum):
    """How a reply's audio ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


CutCause = Literal["speech", "stop", "message"]


@dataclass(frozen=True, slots=True)
class Established:
    """The socket is open; nobody is known yet. Never replayed."""

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class InitAck:
    """The session as it is in force."""

    user_id: str
    conversation_id: ConversationId
    session_id: SessionId
    config: Mapping[str, Any]
    resume_token: str
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Configured:
    """The answer to `Configure`."""

    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """Sent on change."""

    status: StatusKind


@dataclass(frozen=True, slots=True)
class SpeechStartedOut:
    """The user began to speak at this position of the input stream."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class SpeechStoppedOut:
    """The user stopped speaking at this position of the input stream."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class PartialOut:
    """What has been understood so far; replaces the one before."""

    text: str


@dataclass(frozen=True, slots=True)
class TranscriptionOut:
    """What the user said, final."""

    turn_id: TurnId
    text: str
    language: str | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class MessageChunk:
    """Reply text as it is generated; exactly one, the last, has `is_final`."""

    turn_id: TurnId
    conversation_id: ConversationId
    message_id: MessageId
    chunk: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class AiResponse:
    """The whole reply text."""

    turn_id: TurnId
    conversation_id: ConversationId
    message_id: MessageId
    text: str


@dataclass(frozen=True, slots=True)
class AudioStart:
    """Reply audio begins."""

    turn_id: TurnId
    format: str
    sample_rate: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class AudioOut:
    """Reply audio in the negotiated format. `text` are the words it starts, where known."""

    turn_id: TurnId
    data: bytes
    index: int
    duration_ms: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class AudioEnd:
    """Reply audio is over; `duration_ms` of it were sent."""

    turn_id: TurnId
    duration_ms: float
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The reply was cut; history holds `heard_text` and no more."""

    turn_id: TurnId
    heard_text: str
    heard_ms: float
    cause: CutCause


@dataclass(frozen=True, slots=True)
class OverlapOut:
    """The caller's voice is heard over a reply. `is_active`: it is being weighed, a client may pause the
    reply; when it no longer is, the reply goes on."""

    turn_id: TurnId
    is_active: bool


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool of the client's; `arguments` is JSON text."""

    turn_id: TurnId
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """So much silence ended the user's turn, for these reasons."""

    wait_ms: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EarlyStarts:
    """How often the reply was begun before the turn, whether the last of these became the reply, and how long
    before the turn that was begun."""

    count: int
    was_used: bool
    lead_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """How long the stages of a turn took; None where the turn had no such stage."""

    turn_id: TurnId
    endpoint_ms: float | None
    stt_ms: float | None
    llm_first_token_ms: float | None
    tts_first_audio_ms: float | None
    response_ms: float | None
    providers: Mapping[str, str]
    cost_amount: float = 0.0
    cost_currency: str = "USD"
    endpointing: TurnEnd | None = None
    early_starts: EarlyStarts | None = None
    llm_first_clause_ms: float | None = None
    send_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ErrorOut:
    """Something went wrong; the session goes on unless a close follows."""

    code: str
    message: str
    retryable: bool
    stage: Stage
    turn_id: TurnId | None = None

    @classmethod
    def of(cls, error: VoiceServerError, turn_id: TurnId | None = None) -> "ErrorOut":
        """Tell of this error."""
        return cls(error.code, error.message, error.retryable, error.stage, turn_id)


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping."""

    timestamp: Any = None


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Comes before a clean close."""

    reason: str


Output = (
    Established
    | InitAck
    | Configured
    | Status
    | SpeechStartedOut
    | SpeechStoppedOut
    | PartialOut
    | TranscriptionOut
    | MessageChunk
    | AiResponse
    | AudioStart
    | AudioOut
    | AudioEnd
    | Interrupted
    | OverlapOut
    | ToolCall
    | Metrics
    | ErrorOut
    | Pong
    | SessionEnded
)
