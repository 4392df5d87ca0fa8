import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    Changes,
    Clip,
    EndReason,
    ErrorOut,
    Established,
    Init,
    MessageChunk,
    Metrics,
    Output,
    OutputAudioChanges,
    SessionEnded,
    TranscriptionOut,
)
from voice_server.dialects.zeebee_stream import ZeebeeStreamDialect
from voice_server.errors import ProtocolError
from voice_server.ids import ConversationId, MessageId, SessionId, TurnId

pytestmark = pytest.mark.unit

END = '{"type": "end_of_audio"}'
TURN = TurnId("turn_1")
METRICS = Metrics(TURN, None, None, None, None, None, {})


def first_frame(**changed: Any) -> str:
    frame = {
        "token": "t0k",
        "config": {"sample_rate": 16000, "channels": 1, "encoding": "LINEAR16"},
        "stt_model": "whisper",
        "tts_model": "openai_tts",
        "voice_id": "default",
        "language_code": "en-US",
    }
    return json.dumps(frame | changed)


def refusal(dialect: ZeebeeStreamDialect, message: str) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        dialect.decode(message)
    return caught.value


@pytest.mark.parametrize(("voice_id", "voice"), [("default", None), ("", None), (None, None), ("joe", "joe")])
def test_the_first_frame_opens_the_session(voice_id: str | None, voice: str | None) -> None:
    assert ZeebeeStreamDialect().decode(first_frame(voice_id=voice_id)) == (
        Init(
            api_key="t0k",
            changes=Changes(
                tts_voice=voice,
                language_code="en-US",
                output_audio=OutputAudioChanges(format="wav", transport="binary"),
            ),
        ),
    )


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_the_pieces_of_a_recording_are_one_clip(pieces: list[bytes]) -> None:
    dialect = ZeebeeStreamDialect()
    dialect.decode(first_frame())
    for piece in pieces:
        assert dialect.decode(piece) == ()
    assert dialect.decode(END) == (Clip(b"".join(pieces), "pcm16", 16000),)
    dialect.decode(b"next")
    assert dialect.decode(END) == (Clip(b"next", "pcm16", 16000),)


@pytest.mark.parametrize(
    ("config", "clip"),
    [
        ({"encoding": "MULAW", "sample_rate": 8000}, Clip(b"x", "mulaw", 8000)),
        ({"encoding": "WEBM_OPUS", "sample_rate": 48000}, Clip(b"x", None, 48000)),
        ({}, Clip(b"x", "pcm16")),
        (None, Clip(b"x", "pcm16")),
    ],
)
def test_the_clip_is_declared_as_the_client_declared_it(config: object, clip: Clip) -> None:
    dialect = ZeebeeStreamDialect()
    dialect.decode(first_frame(config=config))
    dialect.decode(b"x")
    assert dialect.decode(END) == (clip,)


def test_a_recording_over_the_limit_is_refused_once_and_not_kept() -> None:
    dialect = ZeebeeStreamDialect(clip_limit_bytes=10)
    for piece in (bytes(10), b"1", b"2"):
        assert dialect.decode(piece) == ()
    error = refusal(dialect, END)
    assert error.code == "too_large"
    assert "10 bytes" in error.message
    dialect.decode(b"small")
    assert dialect.decode(END) == (Clip(b"small", "pcm16"),)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", "bad_json"),
        ("[" * 60_000, "bad_field"),
        ('{"config":' + "[" * 60_000, "bad_field"),
        ('{"x":' + "[" * 60_000, "bad_json"),
        ('"\ud800"', "bad_json"),
        ('{"token": 5}', "bad_field"),
        ('{"type": "audio"}', "unknown_type"),
        ('{"token": "' + "x" * 70_000 + '"}', "too_large"),
    ],
)
def test_what_it_refuses(message: str, code: str) -> None:
    assert refusal(ZeebeeStreamDialect(), message).code == code


@given(st.text())
def test_no_text_breaks_the_codec(message: str) -> None:
    assert refusal(ZeebeeStreamDialect(), message).stage == "protocol"


def written(output: Output) -> list[Any]:
    messages = ZeebeeStreamDialect().encode(output, 0)
    return [json.loads(message) if isinstance(message, str) else message for message in messages]


@pytest.mark.parametrize(
    ("output", "messages"),
    [
        (TranscriptionOut(TURN, "hi", "en", 0.9), [{"type": "transcription", "text": "hi"}]),
        (
            AiResponse(TURN, ConversationId("conv_1"), MessageId("msg_1"), "Hello"),
            [{"type": "ai_response", "text": "Hello", "conversation_id": "conv_1"}],
        ),
        (AudioOut(TURN, b"sound", 0, 20.0), [b"sound"]),
        (METRICS, [{"type": "end_of_response"}]),
        (
            ErrorOut("provider_failed", "It failed.", True, "llm", TURN),
            [{"type": "error", "message": "It failed.", "code": "provider_failed"}],
        ),
        (
            ErrorOut("too_large", "Too large.", False, "protocol"),
            [
                {"type": "error", "message": "Too large.", "code": "too_large"},
                {"type": "end_of_response"},
            ],
        ),
        (SessionEnded("idle"), [{"type": "session_ended"}]),
        (Established(SessionId("sess_1")), []),
        (MessageChunk(TURN, ConversationId("c"), MessageId("m"), "He"), []),
        (AudioStart(TURN, "wav", 24000), []),
        (AudioEnd(TURN, 20.0, EndReason.COMPLETED), []),
    ],
)
def test_what_it_tells(output: Output, messages: list[Any]) -> None:
    assert written(output) == messages


def test_its_traits() -> None:
    traits = ZeebeeStreamDialect().traits
    assert (traits.name, traits.paced, traits.numbered) == ("zeebee_stream", False, False)
