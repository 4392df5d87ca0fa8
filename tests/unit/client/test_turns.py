"""What the client makes of a turn, and of a recording it plays."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.scripted_server import ScriptedServer, metrics, reply
from voice_server.audio.wav import wav_header
from voice_server.client import (
    ConnectionLost,
    ServerError,
    VoiceClient,
)
from voice_server.core.wire import (
    AudioIn,
    Clip,
    EndReason,
    ErrorOut,
    Input,
    InputAudioChanges,
    Interrupted,
    SpeechStartedOut,
    StreamEnd,
    StreamStart,
    TextIn,
    ToolCall,
    ToolResult,
)
from voice_server.ids import TurnId

pytestmark = pytest.mark.wire

TURN = TurnId("turn_1")


async def answer_texts(server: ScriptedServer, said: Input) -> None:
    if isinstance(said, TextIn):
        await server.tell(*reply(f"turn_{said.text}", transcript=None))


@pytest.mark.parametrize("transport", ["json", "binary"])
async def test_a_turn_is_collected(server: ScriptedServer, transport: str) -> None:
    server.transport = transport

    async def script(server: ScriptedServer, said: Input) -> None:
        if isinstance(said, Clip):
            await server.tell(SpeechStartedOut(0), *reply("turn_1", transcript="what?"))

    server.script = script
    async with VoiceClient.connect(server.url) as client:
        await client.send_clip(b"RIFF")
        turn = await client.turn()
    assert (turn.turn_id, turn.transcript, turn.reply, turn.audio) == (
        "turn_1",
        "what?",
        "Hello there.",
        b"Hello there.",
    )
    assert (turn.format, turn.sample_rate_hz, turn.end_reason) == ("pcm16", 24000, EndReason.COMPLETED)
    assert [chunk.data for chunk in turn.chunks] == [b"Hello ", b"there."]
    assert turn.first_audio_at_s == turn.chunks[0].at_s <= turn.chunks[1].at_s
    assert (turn.interrupted, turn.tool_calls, turn.errors) == (None, (), ())
    assert (turn.metrics.response_ms, turn.metrics.providers) == (90, {"llm": "local"})


async def test_a_turn_that_was_cut_and_the_one_that_cut_it(server: ScriptedServer) -> None:
    cut = Interrupted(TURN, "Hello", 20.0, "message")
    first, second = reply("turn_1"), reply("turn_2", ("Bye.",))
    # the second turn's first frame overtakes the last of the first; the cut of the first is told again later
    mixed = [*first[:3], cut, second[0], metrics("turn_1"), *second[1:2], cut, *second[2:]]
    async with VoiceClient.connect(server.url) as client:
        await server.tell(*mixed)
        turn = await client.turn()
        assert turn.interrupted is not None
        assert (turn.interrupted.heard_text, turn.reply, turn.audio) == ("Hello", "Hello ", b"Hello ")
        turn = await client.turn()
        assert (turn.turn_id, turn.reply, turn.interrupted) == ("turn_2", "Bye.", None)


async def test_what_went_wrong_in_a_turn_is_in_its_result(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await server.tell(ErrorOut("provider_timeout", "Late.", True, "llm", TURN), metrics("turn_1"))
        turn = await client.turn()
    assert [error.code for error in turn.errors] == ["provider_timeout"]
    assert (turn.chunks, turn.first_audio_at_s, turn.format, turn.reply) == ((), None, None, "")


async def test_a_refused_frame_ends_the_wait_for_a_turn(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await server.tell(ErrorOut("bad_field", "Field `message` is empty.", False, "protocol"))
        with pytest.raises(ServerError, match="bad_field"):
            await client.turn()


async def test_a_session_that_ends_within_a_turn_is_no_turn(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await client.end()
        with pytest.raises(ConnectionLost, match="ended the session"):
            await client.turn()


async def test_a_turn_survives_a_drop(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client, asyncio.TaskGroup() as group:
        outputs = reply("turn_1")
        collecting = group.create_task(client.turn())
        await server.tell(*outputs[:4])
        client.drop()
        await server.until_dropped()
        await server.tell(*outputs[4:])
        await client.resume()
        turn = await collecting
    assert (turn.audio, turn.reply) == (b"Hello there.", "Hello there.")


@pytest.mark.parametrize("fails", [False, True])
async def test_tools_are_answered_within_a_turn(server: ScriptedServer, fails: bool) -> None:
    async def script(server: ScriptedServer, said: Input) -> None:
        match said:
            case TextIn():
                await server.tell(ToolCall(TURN, "call_1", "weather", '{"city":"Oslo"}'))
            case ToolResult(output=output):
                await server.tell(*reply("turn_1", (output,)))
            case _:
                raise AssertionError(said)

    async def weather(call: object) -> str:
        if fails:
            raise LookupError("no such city")
        return "Sunny."

    server.script = script
    async with VoiceClient.connect(server.url) as client:
        await client.send_text("weather?")
        turn = await client.turn(on_tool_call=weather)
    assert turn.reply == ("no such city" if fails else "Sunny.")
    assert [call.name for call in turn.tool_calls] == ["weather"]
    assert server.heard[-1] == ToolResult("call_1", turn.reply, is_error=fails)


# ── Streaming a recording ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("realtime", [False, True])
async def test_a_wav_opens_the_stream_at_its_rate(server: ScriptedServer, realtime: bool) -> None:
    pcm = bytes(range(250)) * 4
    async with VoiceClient.connect(server.url) as client:
        await client.stream_wav(wav_header(8000, len(pcm)) + pcm, realtime=realtime)
        await client.stream_wav(b"\x01\x02", rate_hz=8000, realtime=realtime)
        await client.end()
    assert server.heard[1] == StreamStart(InputAudioChanges("pcm16", 8000, 1))
    chunks = [said.data for said in server.heard[2:-1] if isinstance(said, AudioIn)]
    assert len(chunks) == len(server.heard) - 3  # the stream was opened once
    assert [len(chunk) for chunk in chunks] == [320, 320, 320, 40, 2]
    assert b"".join(chunks) == pcm + b"\x01\x02"


async def test_a_recording_of_another_rate_opens_the_stream_again(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await client.stream_wav(wav_header(8000, 2) + b"\x01\x02")
        await client.stream_wav(wav_header(24000, 2) + b"\x03\x04")
        await client.end()
    assert server.heard[3:5] == [StreamStart(InputAudioChanges("pcm16", 24000, 1)), AudioIn(b"\x03\x04")]


async def test_after_a_resume_the_stream_is_opened_again(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await client.stream_wav(b"\x01\x02")
        client.drop()
        await server.until_dropped()
        await client.resume()
        await client.stream_wav(b"\x03\x04", rate_hz=24000)
        await client.end()
    assert server.heard[4:6] == [StreamStart(InputAudioChanges("pcm16", 24000, 1)), AudioIn(b"\x03\x04")]


# ── The page that shows how ──────────────────────────────────────────────────────────────────────


def examples() -> Iterator[str]:
    page = Path(__file__).parents[3] / "docs" / "client.md"
    yield from re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


async def test_the_example_of_the_page_works(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def script(server: ScriptedServer, said: Input) -> None:
        if isinstance(said, TextIn | StreamEnd):
            await server.tell(*reply(f"turn_{len(server.heard)}", transcript="Who are you?"))

    server.script = script
    (tmp_path / "question.wav").write_bytes(wav_header(16000, 640) + bytes(640))
    monkeypatch.chdir(tmp_path)
    (example,) = examples()
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example.replace("ws://localhost:6789", server.url), "docs/client.md", "exec"), names)
    await names["main"]()
    assert "Hello there." in capsys.readouterr().out
    assert (tmp_path / "answer.wav").read_bytes() == b"Hello there."


async def test_turns_in_a_row(server: ScriptedServer) -> None:
    server.script = answer_texts
    async with VoiceClient.connect(server.url) as client:
        for text in ("a", "b"):
            await client.send_text(text)
        turns = [await client.turn() for _ in range(2)]
    assert [turn.turn_id for turn in turns] == ["turn_a", "turn_b"]
