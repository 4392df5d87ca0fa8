import asyncio
import json
import re
import socket
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.leaving import is_cancelled_while
from tests.unit.client.scripted_server import ScriptedServer
from voice_server.client import (
    ConnectionLost,
    ProtocolViolation,
    ServerError,
    ServerTimeout,
    Timeouts,
    VoiceClient,
)
from voice_server.client.frames import (
    AudioChunk,
    Error,
    Pong,
    SessionEnded,
    SpeechStarted,
    Unknown,
    read_frame,
)
from voice_server.core.wire import (
    AudioClear,
    AudioCommit,
    AudioIn,
    AudioOut,
    AudioStart,
    Changes,
    Clip,
    Configure,
    ErrorOut,
    Init,
    Input,
    InputAudioChanges,
    Playback,
    SpeechStartedOut,
    Stop,
    StreamEnd,
    StreamStart,
    TextIn,
    ToolResult,
    ToolSpec,
)
from voice_server.ids import TurnId

pytestmark = pytest.mark.wire

HASTY = Timeouts(connect_s=5, init_s=0.05, send_s=5, frame_s=0.05, close_s=5)
TURN = TurnId("turn_1")


async def test_entering_sends_init_and_knows_the_session(server: ScriptedServer) -> None:
    async with VoiceClient.connect(
        server.url,
        api_key="sk-1",
        user_id="u",
        conversation_id="conv_1",
        greeting="Hello",
        language_code="en-US",
        tools=[{"name": "weather"}],
    ) as client:
        assert (client.session_id, client.conversation_id, client.last_seq) == ("sess_1", "conv_1", 1)
        assert client.init_ack.resume_token == "token 1"
    tool = ToolSpec("weather", "", {"type": "object", "properties": {}})
    changes = Changes(language_code="en-US", tools=(tool,))
    assert server.heard == [Init("sk-1", "u", "conv_1", changes, "Hello")]


async def test_leaving_closes_normally(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url):
        pass
    await server.until_dropped()
    assert server.connections[0].close_code == 1000


async def test_every_method_says_what_its_name_says(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await client.start_stream("mulaw", 8000, 1)
        await client.send_audio(b"sound")
        await client.commit()
        await client.clear()
        await client.end_stream()
        await client.send_clip(b"\xff\x00clip", format="pcm16", sample_rate=8000)
        await client.send_text("hi", audio=False, model="m", temperature=0.5, max_tokens=9)
        await client.stop()
        await client.configure(system_prompt="Be brief.")
        await client.playback("turn_1", 480.5)
        await client.playback("turn_1", 500, paused=True)
        await client.tool_result("call_1", "sunny", is_error=True)
        await client.end()
    assert server.heard[1:-1] == [
        StreamStart(InputAudioChanges("mulaw", 8000, 1)),
        AudioIn(b"sound"),
        AudioCommit(),
        AudioClear(),
        StreamEnd(),
        Clip(b"\xff\x00clip", "pcm16", 8000),
        TextIn("hi", None, "m", 0.5, 9, wants_audio=False),
        Stop(),
        Configure(Changes(system_prompt="Be brief.")),
        Playback("turn_1", 480.5),
        Playback("turn_1", 500, is_paused=True),
        ToolResult("call_1", "sunny", is_error=True),
    ]


async def test_a_wrong_setting_is_refused_before_it_is_sent() -> None:
    with pytest.raises(msgspec.ValidationError, match="turn_detection.mode"):
        VoiceClient.connect("ws://127.0.0.1:1", turn_detection={"mode": "magic"})


async def test_iteration_gives_what_was_sent_until_the_clean_close(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await client.ping(5)
        await client.end()
        frames = [frame async for frame in client]
        assert frames == [Pong(timestamp=5, seq=2), SessionEnded(reason="client_done", seq=3)]
        assert [frame async for frame in client] == []


async def test_binary_audio_is_counted(server: ScriptedServer) -> None:
    server.transport = "binary"

    async def script(server: ScriptedServer, said: Input) -> None:
        chunks = [AudioOut(TURN, bytes([n]), n, 20.0) for n in range(2)]
        await server.tell(AudioStart(TURN, "pcm16", 24000), *chunks, SpeechStartedOut(40))

    server.script = script
    async with VoiceClient.connect(server.url) as client:
        await client.send_text("hi")
        frames = [await anext(client) for _ in range(4)]
        assert frames[1:] == [
            AudioChunk(turn_id="turn_1", data=b"\x00", index=0, seq=3),
            AudioChunk(turn_id="turn_1", data=b"\x01", index=1, seq=4),
            SpeechStarted(at_ms=40, seq=5),
        ]
        assert client.last_seq == 5


# ── Refusals and losses ──────────────────────────────────────────────────────────────────────────


async def test_a_refused_session_is_the_servers_error(server: ScriptedServer) -> None:
    server.refusal = ErrorOut("not_authenticated", "Invalid API key.", False, "auth"), 4401
    with pytest.raises(ServerError) as caught:
        async with VoiceClient.connect(server.url, api_key="wrong"):
            pass
    assert (caught.value.code, caught.value.message, caught.value.stage, caught.value.retryable) == (
        "not_authenticated",
        "Invalid API key.",
        "auth",
        False,
    )


async def test_an_error_before_the_answer_is_a_remark_when_the_session_begins(server: ScriptedServer) -> None:
    server.before_ack = [ErrorOut("not_found", "No such conversation.", False, "protocol")]
    async with VoiceClient.connect(server.url, conversation_id="conv_9") as client:
        frame = await anext(client)
    assert isinstance(frame, Error)
    assert frame.code == "not_found"


async def test_nobody_listening_is_a_lost_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConnectionLost, match=re.escape(url)):
            async with VoiceClient.connect(url):
                pass


async def test_a_refused_upgrade_has_its_status() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(503, "full")

    async def never(connection: ServerConnection) -> None:
        raise AssertionError("the upgrade was refused")

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        with pytest.raises(ConnectionLost) as caught:
            async with VoiceClient.connect(f"ws://127.0.0.1:{port}"):
                pass
    assert caught.value.http_status == 503


async def test_a_server_that_never_answers_init_is_given_up() -> None:
    async def mute(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(mute, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        with pytest.raises(ServerTimeout, match="init"):
            async with VoiceClient.connect(f"ws://127.0.0.1:{port}", timeouts=HASTY):
                pass


async def test_silence_ends_the_iteration_with_a_timeout(server: ScriptedServer) -> None:
    patient_init = Timeouts(frame_s=0.02)
    async with VoiceClient.connect(server.url, timeouts=patient_init) as client:
        with pytest.raises(ServerTimeout):
            await anext(client)
        with pytest.raises(TimeoutError):
            await client.turn(timeout_s=0.02)


@pytest.mark.parametrize("code", [1001, 1008, 1013, 4429])
async def test_a_close_that_is_not_clean_is_a_lost_connection(server: ScriptedServer, code: int) -> None:
    async with VoiceClient.connect(server.url) as client:
        await server.connections[0].close(code, "because")
        for _ in range(2):  # and stays one
            with pytest.raises(ConnectionLost, match="because") as caught:
                await anext(client)
            assert caught.value.close_code == code
        with pytest.raises(ConnectionLost):
            await client.stop()


async def test_frames_before_the_loss_are_still_handed_out(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await server.tell(SpeechStartedOut(20))
        server.connections[0].transport.abort()
        assert await anext(client) == SpeechStarted(at_ms=20, seq=2)
        with pytest.raises(ConnectionLost) as caught:
            await anext(client)
        assert caught.value.close_code == 1006


async def test_outside_its_context_it_says_so() -> None:
    client = VoiceClient.connect("ws://127.0.0.1:1")
    with pytest.raises(ConnectionLost, match="async with"):
        await client.stop()
    with pytest.raises(ConnectionLost, match="async with"):
        await client.resume()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"type":"pong","timestamp":1,"seq":1}', "twice"),
        ('{"type":"pong","timestamp":1,"seq":3}', "lost"),
        ('{"type":"pong","seq":2}', "timestamp"),
        ("hello", "no JSON"),
    ],
)
async def test_a_server_that_breaks_the_protocol_is_told_on(
    server: ScriptedServer, text: str, told: str
) -> None:
    async with VoiceClient.connect(server.url) as client:
        await server.connections[0].send(text)
        with pytest.raises(ProtocolViolation, match=told):
            await anext(client)


def test_a_frame_of_a_later_protocol_is_unknown_but_counted() -> None:
    raw: dict[str, Any] = {"type": "weather_report", "sky": "blue", "seq": 4}
    assert read_frame(json.dumps(raw)) == Unknown(raw, 4)


# ── Losing and finding the connection ────────────────────────────────────────────────────────────


async def numbers(client: VoiceClient, count: int) -> list[int]:
    return [(await anext(client)).seq for _ in range(count)]


async def test_a_dropped_session_goes_on_where_it_was(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url, greeting="Hello") as client:
        await server.tell(*[SpeechStartedOut(n) for n in range(3)])
        assert await numbers(client, 2) == [2, 3]
        client.drop()
        await server.until_dropped()
        await server.tell(*[SpeechStartedOut(n) for n in range(3, 6)])
        assert await client.resume() is True
        await server.tell(SpeechStartedOut(6))
        assert await numbers(client, 5) == [4, 5, 6, 7, 8]
        assert client.init_ack.resume_token == "token 2"
    again = server.heard[-1]
    assert isinstance(again, Init)
    assert (again.greeting, again.conversation_id) == (None, "conv_1")


async def test_an_iterator_waits_through_a_drop(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client, asyncio.TaskGroup() as group:
        waiting = group.create_task(numbers(client, 2))
        await server.tell(SpeechStartedOut(0))
        client.drop()
        await server.until_dropped()
        await server.tell(SpeechStartedOut(1))
        await client.resume()
        assert await waiting == [2, 3]


async def test_binary_audio_goes_on_counting_through_a_drop(server: ScriptedServer) -> None:
    server.transport = "binary"
    async with VoiceClient.connect(server.url) as client:
        await server.tell(AudioStart(TURN, "pcm16", 24000), AudioOut(TURN, b"0", 0, 20.0))
        await numbers(client, 2)
        client.drop()
        await server.until_dropped()
        await server.tell(AudioOut(TURN, b"1", 1, 20.0))
        await client.resume()
        assert await anext(client) == AudioChunk(turn_id="turn_1", data=b"1", index=1, seq=4)


async def test_who_is_cancelled_while_resuming_is_cancelled(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:

        async def resume(is_leaving: asyncio.Event) -> None:
            is_leaving.set()
            await client.resume()

        assert await is_cancelled_while(resume)


async def test_a_session_that_is_gone_begins_anew(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        await server.tell(*[SpeechStartedOut(n) for n in range(3)])
        await numbers(client, 3)
        client.drop()
        await server.until_dropped()
        server.resumable = False
        assert await client.resume() is False
        assert (client.session_id, client.last_seq) == ("sess_2", 1)
        await server.tell(SpeechStartedOut(0))
        assert await numbers(client, 1) == [2]


async def test_after_a_loss_it_can_be_resumed_too(server: ScriptedServer) -> None:
    async with VoiceClient.connect(server.url) as client:
        server.connections[0].transport.abort()
        with pytest.raises(ConnectionLost):
            await anext(client)
        assert await client.resume() is True
        await server.tell(SpeechStartedOut(0))
        assert await numbers(client, 1) == [2]
