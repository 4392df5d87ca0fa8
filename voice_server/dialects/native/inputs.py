"""From a client's frame to what it says."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, assert_never

import msgspec

from voice_server.core.wire import (
    AudioClear,
    AudioCommit,
    AudioIn,
    Changes,
    Clip,
    Configure,
    End,
    Init,
    Input,
    InputAudioChanges,
    OutputAudioChanges,
    Ping,
    Playback,
    Resume,
    Stop,
    StreamEnd,
    StreamStart,
    TemplateChoice,
    TextIn,
    ToolResult,
    ToolSpec,
    TurnDetectionChanges,
)
from voice_server.dialects.native import frames
from voice_server.dialects.native.faults import bad_field, missing_field
from voice_server.dialects.native.payload import decode_base64, decode_clip

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every vendor takes
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def to_input(frame: frames.ClientFrame) -> Input:
    """Say what `frame` says.

    Raises:
        ProtocolError: a field that is well typed but cannot be used.
    """
    match frame:
        case frames.InitFrame():
            return _init(frame)
        case frames.ConfigureFrame():
            return Configure(_changes(frame))
        case frames.AudioFrame():
            return _clip(frame)
        case frames.AudioStreamStartFrame():
            return StreamStart(InputAudioChanges(frame.format, frame.sample_rate, frame.channels))
        case frames.AudioChunkFrame():
            return AudioIn(decode_base64(frame.data, "data"))
        case frames.AudioCommitFrame():
            return AudioCommit()
        case frames.AudioClearFrame():
            return AudioClear()
        case frames.AudioStreamEndFrame():
            return StreamEnd()
        case frames.MessageFrame():
            return _text(frame)
        case frames.StopFrame():
            return Stop()
        case frames.PlaybackFrame():
            return Playback(frame.turn_id, frame.played_ms, frame.paused is True)
        case frames.ToolResultFrame():
            return ToolResult(frame.call_id, _as_text(frame.output), frame.is_error is True)
        case frames.PingFrame():
            return Ping(frame.timestamp)
        case frames.EndFrame():
            return End()
        case _:
            assert_never(frame)


def _init(frame: frames.InitFrame) -> Init:
    resume: Resume | None = None
    if frame.resume is not None:
        with suppress(msgspec.ValidationError):  # a fresh session then, not an error
            wish = msgspec.convert(frame.resume, frames.ResumeWish)
            resume = Resume(wish.session_id, wish.token, wish.last_seq)
    return Init(
        api_key=frame.api_key or None,
        user_id=frame.user_id or None,
        conversation_id=frame.conversation_id or None,
        changes=_changes(frame),
        greeting=frame.greeting,
        resume=resume,
    )


def _changes(frame: frames.InitFrame | frames.ConfigureFrame) -> Changes:
    heard, spoken, turns = frame.input_audio, frame.output_audio, frame.turn_detection
    return Changes(
        model=frame.model,
        stt_provider=frame.stt_provider,
        tts_provider=frame.tts_provider,
        tts_voice=_first(frame.tts_voice, frame.voice_id),
        language_code=frame.language_code,
        system_prompt=frame.system_prompt,
        template=_template(frame.template) if frame.template else None,
        input_audio=InputAudioChanges(heard.format, heard.sample_rate, heard.channels) if heard else None,
        output_audio=OutputAudioChanges(spoken.format, spoken.sample_rate, spoken.transport)
        if spoken
        else None,
        turn_detection=TurnDetectionChanges(
            turns.mode, turns.threshold, turns.silence_ms, turns.prefix_ms, turns.interrupt
        )
        if turns
        else None,
        tools=None if frame.tools is None else _tools(frame.tools),
    )


def _template(template: frames.Template) -> TemplateChoice:
    variables = template.variables or {}
    return TemplateChoice(template.name, {name: _as_text(value) for name, value in variables.items()})


def _tools(tools: Iterable[frames.Tool]) -> tuple[ToolSpec, ...]:
    specs: dict[str, ToolSpec] = {}
    for index, tool in enumerate(tools):
        place = f"tools[{index}].name" if tool.function is None else f"tools[{index}].function.name"
        described = tool.function or tool
        name = described.name
        if name is None:
            raise missing_field(place)
        if not _TOOL_NAME.fullmatch(name):
            raise bad_field(place, "must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
        if name in specs:
            raise bad_field(place, "is the name of an earlier tool; each tool needs its own")
        specs[name] = ToolSpec(name, described.description or "", described.parameters or _NO_PARAMETERS)
    return tuple(specs.values())


def _clip(frame: frames.AudioFrame) -> Clip:
    data = decode_clip(frame.audio_data, "audio_data")
    if not data:
        raise bad_field("audio_data", "is empty; send the bytes of a recording")
    return Clip(
        data=data,
        format=frame.format,
        sample_rate=frame.sample_rate,
        conversation_id=frame.conversation_id or None,
        changes=Changes(
            model=frame.model,
            stt_provider=frame.stt_provider,
            tts_provider=frame.tts_provider,
            tts_voice=_first(frame.tts_voice, frame.voice_id),
            language_code=frame.language_code,
        ),
    )


def _text(frame: frames.MessageFrame) -> TextIn:
    if not frame.message.strip():
        raise bad_field("message", "is empty; send the words of the user's turn")
    modalities = set(frame.modalities) if frame.modalities is not None else {"text", "audio"}
    if "text" not in modalities:
        raise bad_field("modalities", 'must be ["text"] or ["text", "audio"]; a reply always has its text')
    options = frame.options or frames.MessageOptions()
    return TextIn(
        text=frame.message,
        conversation_id=frame.conversation_id or None,
        model=frame.model,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        wants_audio="audio" in modalities,
    )


def _first(name: str | None, alias: str | None) -> str | None:
    return alias if name is None else name


def _as_text(value: object) -> str:
    """Text as it is, nothing for null, JSON for the rest."""
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return msgspec.json.encode(value).decode()
