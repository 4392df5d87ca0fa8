"""From what a client is told to a text frame."""

from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from voice_server import __version__
from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    Configured,
    ErrorOut,
    Established,
    InitAck,
    Interrupted,
    MessageChunk,
    Metrics,
    Output,
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

PROTOCOL_VERSION = "1"


def to_text(output: Output, seq: int) -> str:
    """Write `output` as one JSON object with `type` and `seq`."""
    frame_type, fields = _frame(output)
    return _ENCODER.encode({"type": frame_type, **fields, "seq": seq}).decode()


def _frame(output: Output) -> tuple[str, dict[str, Any]]:
    match output:
        case Established():
            return "connection_established", {
                "session_id": output.session_id,
                "protocol": PROTOCOL_VERSION,
                "server": f"voice_server/{__version__}",
            }
        case InitAck():
            return "init_ack", {
                "status": "connected",
                "user_id": output.user_id,
                "conversation_id": output.conversation_id,
                "session_id": output.session_id,
                "config": output.config,
                "resume_token": output.resume_token,
                "resumed": output.resumed,
            }
        case Configured():
            return "configured", {"config": output.config}
        case Status():
            return "status", {"status": output.status}
        case SpeechStartedOut():
            return "speech_started", {"at_ms": _tenths(output.at_ms)}
        case SpeechStoppedOut():
            return "speech_stopped", {"at_ms": _tenths(output.at_ms)}
        case PartialOut():
            return "partial_transcript", {"text": output.text}
        case TranscriptionOut():
            return "transcription", {
                "turn_id": output.turn_id,
                "text": output.text,
                "language": output.language,
                "confidence": None if output.confidence is None else round(output.confidence, 3),
            }
        case MessageChunk():
            return "message_chunk", {
                "turn_id": output.turn_id,
                "conversation_id": output.conversation_id,
                "message_id": output.message_id,
                "chunk": output.chunk,
                "is_final": output.is_final,
            }
        case AiResponse():
            return "ai_response", {
                "turn_id": output.turn_id,
                "conversation_id": output.conversation_id,
                "message_id": output.message_id,
                "text": output.text,
            }
        case AudioStart():
            return "audio_stream_start", {
                "turn_id": output.turn_id,
                "format": output.format,
                "sample_rate": output.sample_rate,
                "channels": output.channels,
            }
        case AudioOut():
            return "audio_chunk", {
                "turn_id": output.turn_id,
                "index": output.index,
                "duration_ms": _tenths(output.duration_ms),
                **({"text": output.text} if output.text else {}),
                "data": output.data,  # the encoder writes bytes as base64
            }
        case AudioEnd():
            return "audio_stream_end", {
                "turn_id": output.turn_id,
                "duration_ms": _tenths(output.duration_ms),
                "reason": output.reason,
            }
        case Interrupted():
            return "interrupted", {
                "turn_id": output.turn_id,
                "heard_text": output.heard_text,
                "heard_ms": _tenths(output.heard_ms),
                "cause": output.cause,
            }
        case OverlapOut():
            return "overlap", {"turn_id": output.turn_id, "active": output.is_active}
        case ToolCall():
            return "tool_call", {
                "turn_id": output.turn_id,
                "call_id": output.call_id,
                "name": output.name,
                "arguments": output.arguments,
            }
        case Metrics():
            return "metrics", {
                "turn_id": output.turn_id,
                "endpoint_ms": _tenths_or_null(output.endpoint_ms),
                "stt_ms": _tenths_or_null(output.stt_ms),
                "llm_first_token_ms": _tenths_or_null(output.llm_first_token_ms),
                "tts_first_audio_ms": _tenths_or_null(output.tts_first_audio_ms),
                "response_ms": _tenths_or_null(output.response_ms),
                "providers": output.providers,
                "cost": {"amount": round(output.cost_amount, 6), "currency": output.cost_currency},
                **_turn_taking(output),
                **_shown(llm_first_clause_ms=output.llm_first_clause_ms, send_ms=output.send_ms),
            }
        case ErrorOut():
            return "error", {
                **({} if output.turn_id is None else {"turn_id": output.turn_id}),
                "code": output.code,
                "message": output.message,
                "retryable": output.retryable,
                "stage": output.stage,
            }
        case Pong():
            return "pong", {"timestamp": output.timestamp}
        case SessionEnded():
            return "session_ended", {"reason": output.reason}
        case _:
            assert_never(output)


def _turn_taking(metrics: Metrics) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if (end := metrics.endpointing) is not None:
        fields["endpointing"] = {"wait_ms": _tenths(end.wait_ms), "reasons": end.reasons}
    if (starts := metrics.early_starts) is not None:
        fields["early_starts"] = {
            "count": starts.count,
            "used": starts.was_used,
            "lead_ms": _tenths(starts.lead_ms),
        }
    return fields


def _shown(**times_ms: float | None) -> dict[str, float]:
    """Those that there are."""
    return {name: _tenths(one) for name, one in times_ms.items() if one is not None}


def _tenths(milliseconds: float) -> float:
    """A tenth of a millisecond is enough; whole numbers are written without a point."""
    rounded = round(milliseconds, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _tenths_or_null(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else _tenths(milliseconds)


def _plain(value: object) -> object:
    """Write any mapping as an object."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)
