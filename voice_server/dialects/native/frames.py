"""Every frame a client may send, as it stands on the wire.

Null means absent, fields nobody knows are skipped. Range checks that a type can state are stated here;
what needs a sentence of its own is checked where the frame becomes an input (`inputs`).
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from voice_server.core.wire import TurnMode

InputRateHz = Annotated[int, Meta(ge=4_000, le=192_000)]
OutputRateHz = Annotated[int, Meta(ge=8_000, le=48_000)]
Channels = Annotated[int, Meta(ge=1, le=8)]
Share = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(ge=0, le=86_400_000)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
TokenCount = Annotated[int, Meta(ge=1, le=1_000_000)]
SequenceNumber = Annotated[int, Meta(ge=0)]
Timestamp = str | int | float | bool | None
Modality = Literal["text", "audio"]


class _Part(Struct, frozen=True, omit_defaults=True):
    """An object inside a frame."""


class InputAudio(_Part, frozen=True):
    """The client's live stream."""

    format: str | None = None
    sample_rate: InputRateHz | None = None
    channels: Channels | None = None


class OutputAudio(_Part, frozen=True):
    """Reply audio."""

    format: str | None = None
    sample_rate: OutputRateHz | None = None
    transport: Literal["json", "binary"] | None = None


class TurnDetection(_Part, frozen=True):
    """Who decides that the user has finished, and when."""

    mode: TurnMode | None = None
    threshold: Share | None = None
    silence_ms: Milliseconds | None = None
    prefix_ms: Milliseconds | None = None
    interrupt: bool | None = None


class Template(_Part, frozen=True):
    """A named system prompt; the values of its variables become text."""

    name: str
    variables: dict[str, Any] | None = None


class Function(_Part, frozen=True):
    """The inner object of a tool in the style of OpenAI."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(_Part, frozen=True):
    """A tool, flat (`name`, …) or in the style of OpenAI (`type` "function" and `function`)."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    function: Function | None = None


class ResumeWish(_Part, frozen=True):
    """A session to go on with."""

    session_id: str
    token: str
    last_seq: SequenceNumber


class MessageOptions(_Part, frozen=True):
    """How the model should answer one message."""

    temperature: Temperature | None = None
    max_tokens: TokenCount | None = None


class _Frame(Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """A whole message."""


class _Settings(_Frame, frozen=True):
    """What `init` and `configure` share."""

    model: str | None = None
    stt_provider: str | None = None
    tts_provider: str | None = None
    tts_voice: str | None = None
    voice_id: str | None = None
    language_code: str | None = None
    system_prompt: str | None = None
    template: Template | None = None
    input_audio: InputAudio | None = None
    output_audio: OutputAudio | None = None
    turn_detection: TurnDetection | None = None
    tools: list[Tool] | None = None


class InitFrame(_Settings, frozen=True, tag="init"):
    """The first frame. `resume` may be anything: one that cannot be read makes a fresh session."""

    api_key: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    greeting: str | None = None
    client_info: Any = None
    resume: Any = None


class ConfigureFrame(_Settings, frozen=True, tag="configure"):
    """A change of settings."""


class AudioFrame(_Frame, frozen=True, tag="audio"):
    """One recorded utterance."""

    audio_data: str
    format: str | None = None
    sample_rate: InputRateHz | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    stt_provider: str | None = None
    tts_provider: str | None = None
    language_code: str | None = None
    tts_voice: str | None = None
    voice_id: str | None = None


class AudioStreamStartFrame(_Frame, frozen=True, tag="audio_stream_start"):
    """Opens the input stream."""

    format: str | None = None
    sample_rate: InputRateHz | None = None
    channels: Channels | None = None


class AudioChunkFrame(_Frame, frozen=True, tag="audio_chunk"):
    """Audio of the open stream, for clients without binary messages."""

    data: str


class AudioCommitFrame(_Frame, frozen=True, tag="audio_commit"):
    """The utterance is over (manual mode)."""


class AudioClearFrame(_Frame, frozen=True, tag="audio_clear"):
    """Forget what was heard since the last turn."""


class AudioStreamEndFrame(_Frame, frozen=True, tag="audio_stream_end"):
    """Closes the input stream."""


class MessageFrame(_Frame, frozen=True, tag="message"):
    """A typed user turn."""

    message: str
    conversation_id: str | None = None
    model: str | None = None
    options: MessageOptions | None = None
    modalities: list[Modality] | None = None


class StopFrame(_Frame, frozen=True, tag="stop"):
    """Stop the reply now."""


class PlaybackFrame(_Frame, frozen=True, tag="playback"):
    """How much of a reply the listener has heard, and whether its playback is paused."""

    turn_id: str
    played_ms: Milliseconds
    paused: bool | None = None


class ToolResultFrame(_Frame, frozen=True, tag="tool_result"):
    """The answer to a `tool_call`; an output that is no string goes to the model as JSON text."""

    call_id: str
    output: str | int | float | bool | list[Any] | dict[str, Any]
    is_error: bool | None = None


class PingFrame(_Frame, frozen=True, tag="ping"):
    """Liveness."""

    timestamp: Timestamp = None
    client_id: Any = None


class EndFrame(_Frame, frozen=True, tag="end"):
    """The client is done."""


ClientFrame = (
    InitFrame
    | ConfigureFrame
    | AudioFrame
    | AudioStreamStartFrame
    | AudioChunkFrame
    | AudioCommitFrame
    | AudioClearFrame
    | AudioStreamEndFrame
    | MessageFrame
    | StopFrame
    | PlaybackFrame
    | ToolResultFrame
    | PingFrame
    | EndFrame
)
