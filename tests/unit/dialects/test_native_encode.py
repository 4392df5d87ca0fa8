import json
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server import __version__
from voice_server.client.frames import FRAME_CLASSES, AudioChunk, read_frame
from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    Configured,
    EarlyStarts,
    EndReason,
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
    StatusKind,
    ToolCall,
    TranscriptionOut,
    TurnEnd,
)
from voice_server.dialects.native import NativeDialect
from voice_server.ids import ConversationId, MessageId, SessionId, TurnId

pytestmark = pytest.mark.unit

SESSION, CONVERSATION = SessionId("sess_1"), ConversationId("conv_1")
TURN, MESSAGE = TurnId("turn_1"), MessageId("msg_1")
REPLY_IDS = {"turn_id": "turn_1", "conversation_id": "conv_1", "message_id": "msg_1"}


def config(transport: str) -> dict[str, Any]:
    return {"output_audio": {"format": "pcm16", "transport": transport}}


def init_ack(transport: str = "json") -> InitAck:
    return InitAck("u", CONVERSATION, SESSION, config(transport), "token", resumed=True)


def write(output: Output, seq: int = 7) -> dict[str, Any]:
    (message,) = NativeDialect().encode(output, seq)
    assert isinstance(message, str)
    frame: dict[str, Any] = json.loads(message)
    return frame


EVERY_OUTPUT: list[tuple[Output, dict[str, Any]]] = [
    (
        Established(SESSION),
        {
            "type": "connection_established",
            "session_id": "sess_1",
            "protocol": "1",
            "server": f"voice_server/{__version__}",
        },
    ),
    (
        init_ack(),
        {
            "type": "init_ack",
            "status": "connected",
            "user_id": "u",
            "conversation_id": "conv_1",
            "session_id": "sess_1",
            "config": config("json"),
            "resume_token": "token",
            "resumed": True,
        },
    ),
    (Configured(MappingProxyType({"model": "m"})), {"type": "configured", "config": {"model": "m"}}),
    (Status(StatusKind.WARMING), {"type": "status", "status": "warming"}),
    (SpeechStartedOut(1280.04), {"type": "speech_started", "at_ms": 1280}),
    (SpeechStoppedOut(2560.26), {"type": "speech_stopped", "at_ms": 2560.3}),
    (PartialOut("he"), {"type": "partial_transcript", "text": "he"}),
    (
        TranscriptionOut(TURN, "hello", None, None),
        {
            "type": "transcription",
            "turn_id": "turn_1",
            "text": "hello",
            "language": None,
            "confidence": None,
        },
    ),
    (
        TranscriptionOut(TURN, "hello", "en", 0.98765),
        {
            "type": "transcription",
            "turn_id": "turn_1",
            "text": "hello",
            "language": "en",
            "confidence": 0.988,
        },
    ),
    (
        MessageChunk(TURN, CONVERSATION, MESSAGE, "Hi", is_final=True),
        {"type": "message_chunk", **REPLY_IDS, "chunk": "Hi", "is_final": True},
    ),
    (
        AiResponse(TURN, CONVERSATION, MESSAGE, 'Hi "you"'),
        {"type": "ai_response", **REPLY_IDS, "text": 'Hi "you"'},
    ),
    (
        AudioStart(TURN, "wav", 24000),
        {
            "type": "audio_stream_start",
            "turn_id": "turn_1",
            "format": "wav",
            "sample_rate": 24000,
            "channels": 1,
        },
    ),
    (
        AudioOut(TURN, b"\xfb\xff", 0, 20.0),
        {"type": "audio_chunk", "turn_id": "turn_1", "index": 0, "duration_ms": 20, "data": "+/8="},
    ),
    (
        AudioOut(TURN, b"", 1, 0.06, 'say "é"\n'),
        {
            "type": "audio_chunk",
            "turn_id": "turn_1",
            "index": 1,
            "duration_ms": 0.1,
            "data": "",
            "text": 'say "é"\n',
        },
    ),
    (
        AudioEnd(TURN, 1234.56, EndReason.INTERRUPTED),
        {
            "type": "audio_stream_end",
            "turn_id": "turn_1",
            "duration_ms": 1234.6,
            "reason": "interrupted",
        },
    ),
    (
        Interrupted(TURN, "Hi", 480.0, "speech"),
        {
            "type": "interrupted",
            "turn_id": "turn_1",
            "heard_text": "Hi",
            "heard_ms": 480,
            "cause": "speech",
        },
    ),
    (OverlapOut(TURN, True), {"type": "overlap", "turn_id": "turn_1", "active": True}),
    (
        ToolCall(TURN, "call_1", "weather", '{"city":"Oslo"}'),
        {
            "type": "tool_call",
            "turn_id": "turn_1",
            "call_id": "call_1",
            "name": "weather",
            "arguments": '{"city":"Oslo"}',
        },
    ),
    (
        Metrics(TURN, None, 210.08, None, 95.0, 640.049, {"llm": "local"}, 0.00012349, "EUR"),
        {
            "type": "metrics",
            "turn_id": "turn_1",
            "endpoint_ms": None,
            "stt_ms": 210.1,
            "llm_first_token_ms": None,
            "tts_first_audio_ms": 95,
            "response_ms": 640,
            "providers": {"llm": "local"},
            "cost": {"amount": 0.000123, "currency": "EUR"},
        },
    ),
    (
        Metrics(
            TURN,
            200.0,
            0.0,
            90.0,
            80.0,
            370.0,
            {},
            endpointing=TurnEnd(200.0, ("words_question",)),
            early_starts=EarlyStarts(2, True, 312.04),
        ),
        {
            "type": "metrics",
            "turn_id": "turn_1",
            "endpoint_ms": 200,
            "stt_ms": 0,
            "llm_first_token_ms": 90,
            "tts_first_audio_ms": 80,
            "response_ms": 370,
            "providers": {},
            "cost": {"amount": 0, "currency": "USD"},
            "endpointing": {"wait_ms": 200, "reasons": ["words_question"]},
            "early_starts": {"count": 2, "used": True, "lead_ms": 312},
        },
    ),
    (
        ErrorOut("bad_json", "No.", False, "protocol"),
        {
            "type": "error",
            "code": "bad_json",
            "message": "No.",
            "retryable": False,
            "stage": "protocol",
        },
    ),
    (
        ErrorOut("provider_timeout", "Late.", True, "llm", TURN),
        {
            "type": "error",
            "turn_id": "turn_1",
            "code": "provider_timeout",
            "message": "Late.",
            "retryable": True,
            "stage": "llm",
        },
    ),
    (Pong(1712.5), {"type": "pong", "timestamp": 1712.5}),
    (SessionEnded("idle"), {"type": "session_ended", "reason": "idle"}),
]


def test_the_table_has_every_output() -> None:
    assert {type(output) for output, _ in EVERY_OUTPUT} == set(get_args(Output))


@pytest.mark.parametrize(("output", "frame"), EVERY_OUTPUT)
def test_every_output_is_one_frame(output: Output, frame: dict[str, Any]) -> None:
    assert write(output) == {**frame, "seq": 7}


@pytest.mark.parametrize(("output", "frame"), EVERY_OUTPUT)
def test_our_client_knows_every_field_of_every_frame(output: Output, frame: dict[str, Any]) -> None:
    known = FRAME_CLASSES[frame["type"]]
    assert set(frame) - {"type"} <= set(known.__struct_fields__)
    read = read_frame(json.dumps({**frame, "seq": 7}))
    assert isinstance(read, known)
    assert read.seq == 7


def test_an_unnumbered_frame_has_the_number_zero() -> None:
    assert write(Established(SESSION), seq=0)["seq"] == 0


def test_whole_numbers_are_written_without_a_point() -> None:
    (message,) = NativeDialect().encode(SpeechStartedOut(1280.0), 1)
    assert message == '{"type":"speech_started","at_ms":1280,"seq":1}'


@given(st.binary(max_size=500), st.integers(0, 10_000), st.floats(0, 60_000), st.text(max_size=40))
def test_audio_comes_through(data: bytes, index: int, duration_ms: float, text: str) -> None:
    (message,) = NativeDialect().encode(AudioOut(TURN, data, index, duration_ms, text), 9)
    assert isinstance(message, str)
    frame = read_frame(message)
    assert frame == AudioChunk(
        turn_id="turn_1", data=data, index=index, duration_ms=round(duration_ms, 1), text=text, seq=9
    )


CHUNK = AudioOut(TURN, b"sound", 0, 20.0)
START = AudioStart(TURN, "pcm16", 24000)


def goes_binary(dialect: NativeDialect) -> bool:
    (message,) = dialect.encode(CHUNK, 3)
    if isinstance(message, bytes):
        assert message is CHUNK.data
        return True
    return False


def test_audio_is_json_until_the_session_says_otherwise() -> None:
    dialect = NativeDialect()
    assert not goes_binary(dialect)
    dialect.encode(init_ack("binary"), 1)
    assert goes_binary(dialect)


def test_a_change_of_transport_waits_for_the_next_reply() -> None:
    dialect = NativeDialect()
    dialect.encode(init_ack("binary"), 1)
    dialect.encode(Configured(config("json")), 2)
    assert goes_binary(dialect)
    dialect.encode(START, 4)
    assert not goes_binary(dialect)


def test_a_config_without_a_transport_changes_nothing() -> None:
    dialect = NativeDialect()
    dialect.encode(init_ack("binary"), 1)
    dialect.encode(Configured({"model": "m"}), 2)
    dialect.encode(START, 3)
    assert goes_binary(dialect)


def test_its_traits() -> None:
    traits = NativeDialect().traits
    assert (traits.name, traits.paced, traits.numbered) == ("native", True, True)
