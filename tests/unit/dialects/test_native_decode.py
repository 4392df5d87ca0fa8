import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    TurnMode,
)
from voice_server.dialects.native import FrameLimits, NativeDialect
from voice_server.errors import ProtocolError

pytestmark = pytest.mark.unit


def decode(frame: dict[str, Any]) -> Input:
    (said,) = NativeDialect().decode(json.dumps(frame))
    return said


def refusal(message: str | bytes, limits: FrameLimits | None = None) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        NativeDialect(limits).decode(message)
    return caught.value


B64 = base64.b64encode(b"RIFF sound").decode()

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}

FULL_SETTINGS = {
    "model": "gpt-4o",
    "stt_provider": "openai",
    "tts_provider": "local",
    "tts_voice": "joe",
    "language_code": "en-US",
    "system_prompt": "Be brief.",
    "template": {"name": "expert", "variables": {"field": "law", "years": 7, "kind": True, "none": None}},
    "input_audio": {"format": "opus", "sample_rate": 48000, "channels": 2},
    "output_audio": {"format": "mp3", "sample_rate": 44100, "transport": "binary"},
    "turn_detection": {
        "mode": "vad",
        "threshold": 0.4,
        "silence_ms": 300,
        "prefix_ms": 0,
        "interrupt": False,
    },
    "tools": [
        {"name": "weather", "description": "Tells the weather", "parameters": WEATHER},
        {"type": "function", "function": {"name": "time"}},
    ],
}
FULL_CHANGES = Changes(
    model="gpt-4o",
    stt_provider="openai",
    tts_provider="local",
    tts_voice="joe",
    language_code="en-US",
    system_prompt="Be brief.",
    template=TemplateChoice("expert", {"field": "law", "years": "7", "kind": "true", "none": ""}),
    input_audio=InputAudioChanges("opus", 48000, 2),
    output_audio=OutputAudioChanges("mp3", 44100, "binary"),
    turn_detection=TurnDetectionChanges(TurnMode.VAD, 0.4, 300, 0, False),
    tools=(
        ToolSpec("weather", "Tells the weather", WEATHER),
        ToolSpec("time", "", {"type": "object", "properties": {}}),
    ),
)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"type": "init"}, Init()),
        (
            {
                "type": "init",
                "api_key": "sk-1",
                "user_id": "u",
                "conversation_id": "conv_1",
                "greeting": "Hello",
                "client_info": {"sdk": "python"},
                "resume": {"session_id": "sess_1", "token": "t", "last_seq": 4},
                **FULL_SETTINGS,
            },
            Init("sk-1", "u", "conv_1", FULL_CHANGES, "Hello", Resume("sess_1", "t", 4)),
        ),
        ({"type": "init", "conversation_id": None, "model": None, "template": None, "resume": None}, Init()),
        ({"type": "init", "conversation_id": "", "user_id": "", "api_key": ""}, Init()),
        ({"type": "init", "voice_id": "joe"}, Init(changes=Changes(tts_voice="joe"))),
        ({"type": "init", "tts_voice": "amy", "voice_id": "joe"}, Init(changes=Changes(tts_voice="amy"))),
        ({"type": "init", "tools": []}, Init(changes=Changes(tools=()))),
        ({"type": "configure", **FULL_SETTINGS}, Configure(FULL_CHANGES)),
        ({"type": "configure", "api_key": 5, "from_a_later_version": {}}, Configure(Changes())),
        ({"type": "audio", "audio_data": B64}, Clip(b"RIFF sound")),
        (
            {
                "type": "audio",
                "audio_data": B64,
                "format": "pcm16",
                "sample_rate": 8000,
                "conversation_id": "conv_1",
                "user_id": "u",
                "model": "gpt-4o",
                "stt_provider": "openai",
                "tts_provider": "openai",
                "language_code": "en-US",
                "tts_voice": "alloy",
            },
            Clip(
                b"RIFF sound",
                "pcm16",
                8000,
                "conv_1",
                Changes(
                    model="gpt-4o",
                    stt_provider="openai",
                    tts_provider="openai",
                    tts_voice="alloy",
                    language_code="en-US",
                ),
            ),
        ),
        ({"type": "audio_stream_start"}, StreamStart()),
        (
            {"type": "audio_stream_start", "format": "mulaw", "sample_rate": 8000, "channels": 1},
            StreamStart(InputAudioChanges("mulaw", 8000, 1)),
        ),
        ({"type": "audio_chunk", "data": B64}, AudioIn(b"RIFF sound")),
        ({"type": "audio_commit"}, AudioCommit()),
        ({"type": "audio_clear"}, AudioClear()),
        ({"type": "audio_stream_end"}, StreamEnd()),
        ({"type": "message", "message": " hi "}, TextIn(" hi ")),
        (
            {
                "type": "message",
                "message": "hi",
                "conversation_id": "conv_1",
                "model": "m",
                "options": {"temperature": 2, "max_tokens": 1},
                "modalities": ["text"],
            },
            TextIn("hi", "conv_1", "m", 2.0, 1, wants_audio=False),
        ),
        ({"type": "message", "message": "hi", "modalities": ["audio", "text"]}, TextIn("hi")),
        ({"type": "message", "message": "hi", "modalities": None, "options": None}, TextIn("hi")),
        ({"type": "stop"}, Stop()),
        ({"type": "playback", "turn_id": "turn_1", "played_ms": 1200}, Playback("turn_1", 1200)),
        (
            {"type": "playback", "turn_id": "turn_1", "played_ms": 1200, "paused": True},
            Playback("turn_1", 1200, is_paused=True),
        ),
        ({"type": "tool_result", "call_id": "c", "output": "sunny"}, ToolResult("c", "sunny")),
        (
            {"type": "tool_result", "call_id": "c", "output": {"sky": ["blue"]}, "is_error": True},
            ToolResult("c", '{"sky":["blue"]}', is_error=True),
        ),
        ({"type": "ping", "timestamp": 1712.5, "client_id": "x"}, Ping(1712.5)),
        ({"type": "ping"}, Ping()),
        ({"type": "end"}, End()),
    ],
)
def test_every_frame_says_what_the_protocol_says(frame: dict[str, Any], said: Input) -> None:
    assert decode(frame) == said


def test_a_binary_message_is_the_audio_itself() -> None:
    data = bytes(640)
    (said,) = NativeDialect().decode(data)
    assert isinstance(said, AudioIn)
    assert said.data is data


@pytest.mark.parametrize(
    "resume",
    [
        "sess_1",
        7,
        [],
        {},
        {"session_id": "s", "token": "t"},
        {"session_id": 1, "token": "t", "last_seq": 1},
        {"session_id": "s", "token": "t", "last_seq": "1"},
        {"session_id": "s", "token": "t", "last_seq": True},
        {"session_id": "s", "token": "t", "last_seq": -1},
    ],
)
def test_a_resume_that_cannot_be_read_does_not_fail_the_init(resume: object) -> None:
    assert decode({"type": "init", "user_id": "u", "resume": resume}) == Init(user_id="u")


@pytest.mark.parametrize(
    "audio_data",
    [
        B64,
        f"data:audio/webm;codecs=opus;base64,{B64}",
        f"data:;base64,{B64}",
        f"DATA:audio/wav;BASE64,{B64}",
        "data:audio/wav;base64," + B64.replace("=", "%3D"),
        "\n".join(B64),
        "  " + B64.rstrip("=") + "\r\n",
    ],
)
def test_a_recording_may_be_written_in_many_ways(audio_data: str) -> None:
    assert decode({"type": "audio", "audio_data": audio_data}) == Clip(b"RIFF sound")


@given(st.binary(max_size=200), st.booleans(), st.booleans(), st.integers(1, 80))
def test_audio_in_base64_of_any_style_comes_through(
    data: bytes, url_safe: bool, padded: bool, line: int
) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    text = text if padded else text.rstrip("=")
    lines = "\n".join(text[i : i + line] for i in range(0, len(text), line))
    assert decode({"type": "audio_chunk", "data": lines}) == AudioIn(data)


@pytest.mark.parametrize(
    ("message", "code", "told"),
    [
        ("", "bad_json", "not valid JSON"),
        ("hello", "bad_json", "not valid JSON"),
        ('{"type":"ping"', "bad_json", "not valid JSON"),
        ('{"type":"playback","turn_id":"t","played_ms":NaN}', "bad_json", "not valid JSON"),
        ("[]", "bad_json", "but array"),
        ("null", "bad_json", "but null"),
        ('{"type":"ping","x":' + "[" * 100_00 + "]" * 100_00 + "}", "bad_json", "nested too deeply"),
        ('{"type":"message","message":"\ud800"}', "bad_json", "Unicode"),
        ('{"type":"message","message":"\\ud800"}', "bad_json", "not valid JSON"),
        ("{}", "missing_field", "`type`"),
        ('{"type":5}', "bad_field", "`type` must be a string"),
        ('{"type":null}', "bad_field", "`type` must be a string"),
        ('{"type":"mesage","message":"hi"}', "unknown_type", "'mesage'. Did you mean `message`?"),
        ('{"type":"audio_stream_strat"}', "unknown_type", "`audio_stream_start`?"),
        ('{"type":"zzz"}', "unknown_type", "Known types: audio, audio_chunk,"),
        (json.dumps({"type": "y" * 5000}), "unknown_type", "y…'"),
        ('{"type":"audio"}', "missing_field", "`audio_data`"),
        ('{"type":"audio","audio_data":null}', "missing_field", "`audio_data`"),
        ('{"type":"audio","audio_data":""}', "bad_field", "`audio_data` is empty"),
        ('{"type":"audio","audio_data":"!!!!"}', "bad_base64", "`audio_data` is not base64"),
        ('{"type":"audio","audio_data":"AAAAA"}', "bad_base64", "`audio_data`"),
        ('{"type":"audio","audio_data":"ä"}', "bad_base64", "`audio_data`"),
        ('{"type":"audio_chunk","data":"A=A="}', "bad_base64", "`data`"),
        ('{"type":"audio","audio_data":"http://a/b.wav"}', "bad_url", "fetches nothing"),
        ('{"type":"audio","audio_data":" HTTPS://a/b.wav"}', "bad_url", "fetches nothing"),
        ('{"type":"audio","audio_data":"file:///etc/passwd"}', "bad_url", "fetches nothing"),
        ('{"type":"audio","audio_data":"data:audio/wav,AAAA"}', "bad_url", "data:audio/webm"),
        ('{"type":"audio","audio_data":"data:audio/wav;base64"}', "bad_url", "data:audio/webm"),
        ('{"type":"audio","audio_data":"data:a/b;base64,!!"}', "bad_base64", "`audio_data`"),
        ('{"type":"message"}', "missing_field", "`message`"),
        ('{"type":"message","message":7}', "bad_field", "`message` must be string, but is integer"),
        ('{"type":"message","message":" \\n"}', "bad_field", "`message` is empty"),
        (
            '{"type":"message","message":"a","options":{"temperature":2.1}}',
            "bad_field",
            "`options.temperature` must be number <= 2.0",
        ),
        (
            '{"type":"message","message":"a","options":{"max_tokens":0}}',
            "bad_field",
            "`options.max_tokens` must be integer >= 1",
        ),
        ('{"type":"message","message":"a","modalities":["audio"]}', "bad_field", 'be ["text"] or'),
        ('{"type":"message","message":"a","modalities":[]}', "bad_field", 'be ["text"] or'),
        (
            '{"type":"message","message":"a","modalities":["text","video"]}',
            "bad_field",
            '`modalities[1]` must be one of "text", "audio"',
        ),
        ('{"type":"playback","turn_id":"t"}', "missing_field", "`played_ms`"),
        ('{"type":"playback","turn_id":"t","played_ms":-1}', "bad_field", "`played_ms` must be number >= 0"),
        ('{"type":"playback","turn_id":"t","played_ms":1e400}', "bad_field", "`played_ms`"),
        ('{"type":"playback","turn_id":"t","played_ms":1e300}', "bad_field", "`played_ms`"),
        ('{"type":"ping","timestamp":1e400}', "bad_field", "`timestamp`"),
        ('{"type":"ping","timestamp":{}}', "bad_field", "`timestamp` must be"),
        ('{"type":"tool_result","call_id":"c"}', "missing_field", "`output`"),
        (
            '{"type":"init","turn_detection":{"mode":"magic"}}',
            "bad_field",
            '`turn_detection.mode` must be one of "semantic", "vad", "manual"',
        ),
        (
            '{"type":"configure","output_audio":{"transport":"udp"}}',
            "bad_field",
            '`output_audio.transport` must be one of "json", "binary"',
        ),
        ('{"type":"init","turn_detection":{"threshold":1.5}}', "bad_field", "`turn_detection.threshold`"),
        ('{"type":"init","output_audio":{"sample_rate":96000}}', "bad_field", "must be integer <= 48000"),
        ('{"type":"init","input_audio":"pcm16"}', "bad_field", "`input_audio` must be object or null"),
        ('{"type":"init","template":{}}', "missing_field", "`template.name`"),
        ('{"type":"init","tools":[{}]}', "missing_field", "`tools[0].name`"),
        ('{"type":"init","tools":[{"function":{}}]}', "missing_field", "`tools[0].function.name`"),
        ('{"type":"init","tools":[{"name":"a b"}]}', "bad_field", "`tools[0].name` must be 1 to 64"),
        ('{"type":"init","tools":[{"name":"a"},{"name":"a"}]}', "bad_field", "`tools[1].name`"),
    ],
)
def test_every_refusal_names_what_to_mend(message: str, code: str, told: str) -> None:
    error = refusal(message)
    assert (error.code, error.stage) == (code, "protocol")
    assert told in error.message


def test_an_error_repeats_nothing_the_user_said() -> None:
    assert "secret" not in refusal('{"type":"message","message":["secret"],"options":"secret"}').message
    assert "secret" not in refusal('{"type":"init","turn_detection":{"mode":"secret"}}').message


LIMITS = FrameLimits(control_bytes=100, chunk_bytes=200, clip_bytes=400)


@pytest.mark.parametrize(
    ("frame_type", "field", "limit_bytes"),
    [("message", "message", 100), ("audio_chunk", "data", 200), ("audio", "audio_data", 400)],
)
def test_each_kind_of_text_frame_has_its_own_limit(frame_type: str, field: str, limit_bytes: int) -> None:
    empty = json.dumps({"type": frame_type, field: ""})
    room = limit_bytes - len(empty)
    fits = json.dumps({"type": frame_type, field: "A" * (room - room % 4)})
    assert len(NativeDialect(LIMITS).decode(fits)) == 1
    over = json.dumps({field: "A" * (room + 1), "type": frame_type})
    error = refusal(over, LIMITS)
    assert error.code == "too_large"
    assert str(limit_bytes) in error.message


def test_text_is_measured_in_bytes() -> None:
    message = '{"type":"message","message":"' + "€" * 30 + '"}'
    assert len(message) < LIMITS.control_bytes
    assert refusal(message, LIMITS).code == "too_large"


def test_large_text_that_is_no_frame_is_too_large() -> None:
    assert refusal("x" * 101, LIMITS).code == "too_large"
    assert refusal("x" * 401, LIMITS).code == "too_large"


def test_a_binary_message_has_its_limit() -> None:
    assert NativeDialect(LIMITS).decode(bytes(200)) == (AudioIn(bytes(200)),)
    assert refusal(bytes(201), LIMITS).code == "too_large"


def test_the_defaults_are_those_of_the_protocol() -> None:
    assert FrameLimits() == FrameLimits(65_536, 262_144, 16_777_216)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TYPES = [
    "init",
    "configure",
    "audio",
    "audio_stream_start",
    "audio_chunk",
    "message",
    "playback",
    "tool_result",
    "ping",
]
FIELDS = [
    "audio_data",
    "data",
    "message",
    "options",
    "modalities",
    "turn_id",
    "played_ms",
    "call_id",
    "output",
    "timestamp",
    "template",
    "tools",
    "input_audio",
    "output_audio",
    "turn_detection",
    "resume",
    "sample_rate",
]


@given(st.text())
def test_no_text_breaks_the_codec(message: str) -> None:
    assert refusal(message).stage == "protocol"


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
def test_no_value_of_a_field_breaks_the_codec(frame_type: str, fields: dict[str, Any]) -> None:
    message = json.dumps({"type": frame_type, **fields})  # writes NaN and lone surrogates too
    try:
        said = NativeDialect().decode(message)
    except ProtocolError as error:
        assert error.message.endswith((".", "?"))
    else:
        assert len(said) == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_audio(data: bytes) -> None:
    assert NativeDialect().decode(data) == (AudioIn(data),)
