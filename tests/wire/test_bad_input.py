"""What no client should send. Each is a typed error, and the session goes on."""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.wire.rig import Raw, clip, raw, serving, wav
from voice_server.fakes.spoken import quiet, speak


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ('"init"', "bad_json"),
        ("\x00", "bad_json"),
        ("[" * 20_000, "bad_json"),
        ("{}", "missing_field"),
        ('{"type": "sing"}', "unknown_type"),
        ('{"type": 7}', "bad_field"),
        ('{"type": "message"}', "missing_field"),
        ('{"type": "message", "message": 7}', "bad_field"),
        ('{"type": "playback", "turn_id": "t", "played_ms": "long"}', "bad_field"),
        ('{"type": "playback", "turn_id": "t", "played_ms": -1}', "bad_field"),
        ('{"type": "audio"}', "missing_field"),
        ('{"type": "audio", "audio_data": ""}', "bad_field"),
        ('{"type": "audio", "audio_data": "not base64!"}', "bad_base64"),
        ('{"type": "audio", "audio_data": "http://127.0.0.1/secret.wav"}', "bad_url"),
        ('{"type": "audio", "audio_data": "file:///etc/passwd"}', "bad_url"),
        ('{"type": "audio_stream_start", "sample_rate": 0}', "bad_field"),
        ('{"type": "audio_stream_start", "format": "vinyl"}', "bad_format"),
        ('{"type": "configure", "output_audio": {"sample_rate": 0}}', "bad_field"),
        ('{"type": "configure", "turn_detection": {"mode": "telepathy"}}', "bad_field"),
        (json.dumps({"type": "message", "message": "x" * 70_000}), "too_large"),
    ],
)
async def test_a_frame_that_breaks_the_rules(message: str, code: str) -> None:
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="init")
        await caller.socket.send(message)
        error = await caller.until("error")
        assert (error["stage"], error["code"]) == ("protocol", code)
        assert error["message"]
        await caller.answers()


@pytest.mark.parametrize("text", [True, False])
async def test_audio_while_no_stream_is_open_is_told_once_until_the_next_start(text: bool) -> None:
    async with serving() as served, raw(served.url) as caller:

        async def send(pcm: bytes) -> None:
            await (caller.say(type="audio_chunk", data=encoded(pcm)) if text else caller.socket.send(pcm))

        for _ in range(2):
            for _ in range(15):  # more than the protocol errors that end a connection
                await send(bytes(640))
            await caller.answers()
            await caller.say(type="audio_stream_start")
            await caller.say(type="audio_stream_end")
        assert [error["code"] for error in caller.of_type("error")] == ["no_stream", "no_stream"]


async def test_a_frame_that_ends_within_a_sample_is_told_and_not_heard() -> None:
    pcm = speak("odd lengths")
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="init", turn_detection={"mode": "manual"})
        await caller.say(type="audio_stream_start")
        await caller.socket.send(pcm[: 2 * (len(pcm) // 4)])
        await caller.socket.send(b"")
        for odd in (b"\x7f", b"\x7f" * 641):
            await caller.socket.send(odd)
            error = await caller.until("error")
            assert (error["stage"], error["code"]) == ("stt", "odd_length")
        await caller.socket.send(pcm[2 * (len(pcm) // 4) :])
        await caller.say(type="audio_commit")
        assert (await caller.until("transcription"))["text"] == "odd lengths"


async def failed_clip(caller: Raw, **fields: Any) -> dict[str, Any]:
    """A clip that fails is answered by an error and by something to hear, in either order."""
    await caller.say(type="audio", **fields)
    await caller.until("metrics")
    (error,) = caller.of_type("error")
    assert sum(len(base64.b64decode(chunk["data"])) for chunk in caller.of_type("audio_chunk")) > 10_000
    assert caller.of_type("audio_stream_end")[-1]["duration_ms"] > 0
    assert caller.of_type("transcription") == []
    await caller.answers()
    return error


WHOLE = clip(speak("a whole clip"))
LYING = [
    pytest.param(b"RIFF", id="only a beginning"),
    pytest.param(WHOLE[:30], id="cut in its header"),
    pytest.param(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + b"\xff" * 200, id="a header of nonsense"),
    pytest.param(b"\x1aE\xdf\xa3" + bytes(500), id="webm in name only"),
    pytest.param(b"OggS" + bytes(500), id="ogg in name only"),
    pytest.param(b"ID3\x03" + bytes(2_000), id="mp3 in name only"),
    pytest.param(b"<html>no audio here</html>" * 50, id="a page"),
]


@pytest.mark.parametrize("data", LYING)
async def test_a_clip_that_is_no_audio(data: bytes) -> None:
    async with serving() as served, raw(served.url) as caller:
        error = await failed_clip(caller, audio_data=encoded(data))
        assert error["stage"] == "stt"


async def test_a_clip_cut_off_in_its_samples_is_heard_as_far_as_it_goes() -> None:
    async with serving() as served, raw(served.url) as caller:
        pcm = speak("cut off here")
        whole = clip(pcm + speak(" and never said"))
        await caller.say(type="audio", audio_data=encoded(whole[: 44 + len(pcm)]))
        assert (await caller.until("transcription"))["text"] == "cut off here"


async def test_a_clip_over_the_limit() -> None:
    async with serving(limits={"clip_s": 2}) as served, raw(served.url) as caller:
        error = await failed_clip(caller, audio_data=encoded(clip(speak("x" * 100))))
        assert error["stage"] == "limit"


@pytest.mark.parametrize("silence", [bytes(64_000), wav("silence")], ids=["digital", "of a room"])
async def test_a_clip_of_silence_is_answered_aloud(silence: bytes) -> None:
    recording = silence if silence[:4] == b"RIFF" else clip(silence)
    async with serving() as served, raw(served.url) as caller:
        error = await failed_clip(caller, audio_data=encoded(recording))
        assert error["stage"] == "stt"


async def test_a_silent_stream_is_no_turn_and_no_error() -> None:
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="init", turn_detection={"mode": "vad", "silence_ms": 100})
        await caller.say(type="audio_stream_start")
        for _ in range(150):
            await caller.socket.send(quiet(20))
        await caller.say(type="audio_stream_end")
        await caller.answers()
        told = {frame["type"] for frame in caller.seen}
        assert told <= {"connection_established", "init_ack", "status", "pong"}


async def test_an_unknown_conversation_is_told_and_replaced() -> None:
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="init", conversation_id="conv_nobody_knows")
        ack = await caller.until("init_ack")
        assert ack["conversation_id"] != "conv_nobody_knows"
        assert (await caller.until("error"))["code"] == "unknown_conversation"
        await caller.say(type="message", message="Hello", conversation_id="conv_nor_this")
        assert (await caller.until("error"))["code"] == "unknown_conversation"
        answer = await caller.until("ai_response")
        assert answer["conversation_id"] not in ("conv_nor_this", ack["conversation_id"])


async def test_a_second_init_changes_nothing() -> None:
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="init", output_audio={"format": "pcm16"})
        await caller.until("init_ack")
        await caller.say(type="init", output_audio={"format": "mp3"})
        error = await caller.until("error")
        assert (error["stage"], error["code"]) == ("protocol", "already_initialised")
        await caller.say(type="message", message="Hello")
        assert (await caller.until("audio_stream_start"))["format"] == "pcm16"


async def test_ten_protocol_errors_end_the_connection_and_nine_do_not() -> None:
    async with serving() as served:
        async with raw(served.url) as caller:
            for _ in range(9):
                await caller.socket.send("{")
            await caller.answers()
        async with raw(served.url) as caller:
            for _ in range(10):
                await caller.socket.send("{")
            assert (await caller.closed())[0] == 1008
            assert len(caller.of_type("error")) == 10


async def test_a_flood_of_control_frames_is_told_and_then_ended() -> None:
    async with serving(limits={"control_frames_per_s": 1, "control_burst": 5}) as served:
        async with raw(served.url) as caller:
            for _ in range(7):
                await caller.say(type="ping", timestamp=1)
            error = await caller.until("error")
            assert error["stage"] == "limit"
            assert len(caller.of_type("pong")) == 5
            for _ in range(10):
                await caller.say(type="ping", timestamp=2)
            assert (await caller.closed())[0] == 1008
            assert len(caller.of_type("error")) == 1
        async with raw(served.url) as caller:
            await caller.answers()


async def test_audio_is_no_control_frame() -> None:
    limits = {"control_frames_per_s": 1, "control_burst": 5}
    async with serving(limits=limits) as served, raw(served.url) as caller:
        await caller.say(type="init", turn_detection={"mode": "manual"})
        await caller.say(type="audio_stream_start")
        for _ in range(50):
            await caller.say(type="audio_chunk", data=encoded(quiet(20)))
        await caller.answers()
        assert caller.of_type("error") == []


@pytest.mark.parametrize("port", ["voice", "rest"])
async def test_a_message_over_the_largest_is_1009(port: str) -> None:
    async with serving(limits={"clip_frame_bytes": 500_000}) as served:
        url = served.url if port == "voice" else f"{served.rest_socket_url}/"
        async with raw(url) as caller:
            async with asyncio.timeout(20):
                await caller.say(type="audio", audio_data="A" * 600_000)
            assert (await caller.closed())[0] == 1009
        async with raw(url) as caller:
            await caller.answers()


async def test_a_binary_frame_over_its_limit() -> None:
    async with serving() as served, raw(served.url) as caller:
        await caller.say(type="audio_stream_start")
        await caller.socket.send(bytes(300_000))
        assert (await caller.until("error"))["code"] == "too_large"
        await caller.answers()
