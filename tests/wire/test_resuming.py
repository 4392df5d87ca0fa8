"""A connection that is lost, and found again or not."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
import soundfile

from tests.fakes.scripted import ScriptedLlm, ScriptedTts
from tests.wire.rig import KEY, eventually, frame_of, raw, serving
from voice_server.client import ServerError, VoiceClient
from voice_server.client.frames import (
    AiResponse,
    AudioChunk,
    AudioStreamEnd,
    AudioStreamStart,
    MessageChunk,
    ServerFrame,
)

STORY = "One sentence of the story. Another sentence follows it. And the third one ends it."
OTHER_KEY = "sk-test-another-key-of-somebody-else-0000"


def story_teller() -> ScriptedLlm:
    return ScriptedLlm(usual=lambda _: [STORY])


async def collect(client: VoiceClient, frames: list[ServerFrame], drop_after: Sequence[int]) -> None:
    """The reply to the end, the line cut and found again after so many audio chunks."""
    cuts = list(drop_after)
    while True:
        async for frame in client:
            frames.append(frame)
            if isinstance(frame, AudioStreamEnd):
                return
            heard = sum(isinstance(one, AudioChunk) for one in frames)
            if cuts and heard >= cuts[0]:
                cuts.pop(0)
                client.drop()
                assert await client.resume()


@pytest.mark.parametrize("port", ["voice", "rest"])
@pytest.mark.parametrize("transport", ["json", "binary"])
async def test_a_line_cut_twice_in_a_reply_loses_and_doubles_nothing(port: str, transport: str) -> None:
    async with serving(llm=story_teller(), tts=ScriptedTts(character_ms=30)) as served:
        url = served.url if port == "voice" else f"{served.rest_socket_url}/"
        async with VoiceClient.connect(
            url, output_audio={"format": "pcm16", "transport": transport}
        ) as whole:
            await whole.send_text("Tell me a story.")
            expected = await whole.turn()
        async with VoiceClient.connect(
            url, output_audio={"format": "pcm16", "transport": transport}
        ) as client:
            old_id, old_token = client.session_id, client.init_ack.resume_token
            await client.send_text("Tell me a story.")
            frames: list[ServerFrame] = []
            # The client itself raises on a gap in `seq`, and on a number that comes twice.
            await collect(client, frames, drop_after=(2, 7))
            assert client.session_id == old_id
            assert client.init_ack.resume_token != old_token
            chunks = [frame for frame in frames if isinstance(frame, AudioChunk)]
            assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
            assert b"".join(chunk.data for chunk in chunks) == expected.audio
            written = "".join(frame.chunk for frame in frames if isinstance(frame, MessageChunk))
            assert written == STORY
            assert [frame.text for frame in frames if isinstance(frame, AiResponse)] == [STORY]
            assert sum(isinstance(frame, AudioStreamStart) for frame in frames) == 1


async def test_a_file_format_is_one_file_across_a_cut() -> None:
    async with (
        serving(llm=story_teller(), tts=ScriptedTts(character_ms=30)) as served,
        VoiceClient.connect(served.url) as client,
    ):
        await client.send_text("Tell me a story.")
        frames: list[ServerFrame] = []
        await collect(client, frames, drop_after=(3,))
        joined = b"".join(frame.data for frame in frames if isinstance(frame, AudioChunk))
        (end,) = [frame for frame in frames if isinstance(frame, AudioStreamEnd)]
        samples, rate_hz = soundfile.read(io.BytesIO(joined))
        assert len(samples) / rate_hz * 1000 == pytest.approx(end.duration_ms, abs=1)


async def test_the_session_goes_on_after_a_resume() -> None:
    async with serving() as served, VoiceClient.connect(served.url) as client:
        await client.send_text("one")
        await client.turn()
        client.drop()
        assert await client.resume()
        await client.send_text("two")
        assert (await client.turn()).reply == "You said: two"


async def test_a_session_waited_for_too_long_is_over_but_its_conversation_goes_on() -> None:
    async with (
        serving(limits={"resume_window_s": 0.1}) as served,
        VoiceClient.connect(served.url) as client,
    ):
        await client.send_text("remember me")
        await client.turn()
        conversation_id = client.conversation_id
        client.drop()
        await eventually(lambda: served.server.sessions.count == 0)
        assert not await client.resume()
        assert client.conversation_id == conversation_id
        await client.send_text("still here")
        assert (await client.turn()).reply == "You said: still here"


UNUSABLE: list[Any] = [
    {"token": "wrong"},
    {"session_id": "sess_nobody"},
    {"last_seq": 999_999},
    {"last_seq": "many"},
    {"last_seq": -1},
    {"token": None},
    "garbage",
    [],
    7,
    {},
]


@pytest.mark.parametrize("unusable", UNUSABLE, ids=str)
async def test_a_resume_that_cannot_be_used_gives_a_fresh_session(unusable: Any) -> None:
    async with serving() as served, raw(served.url) as first:
        await first.say(type="init")
        ack = await first.until("init_ack")
        right = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": 1}
        wish = right | unusable if isinstance(unusable, dict) and unusable else unusable
        async with raw(served.url) as second:
            await second.say(type="init", resume=wish)
            fresh = await second.until("init_ack")
            assert fresh["resumed"] is False
            assert fresh["session_id"] != ack["session_id"]
            await second.answers()
        await first.answers()  # nothing was taken from it


async def test_another_key_cannot_resume_though_it_has_the_token() -> None:
    async with serving(api_keys=[KEY, OTHER_KEY]) as served, raw(served.url) as first:
        await first.say(type="init", api_key=KEY)
        ack = await first.until("init_ack")
        wish = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": 1}
        async with raw(served.url) as thief:
            await thief.say(type="init", api_key=OTHER_KEY, resume=wish)
            fresh = await thief.until("init_ack")
            assert fresh["resumed"] is False
            assert fresh["session_id"] != ack["session_id"]
        async with raw(served.url) as stranger:
            await stranger.say(type="init", resume=wish)
            assert (await stranger.closed())[0] == 4401
        await first.answers()


async def test_a_resume_takes_over_from_a_socket_still_open() -> None:
    async with serving() as served, raw(served.url) as first:
        await first.say(type="init")
        ack = await first.until("init_ack")
        wish = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": ack["seq"]}
        async with raw(served.url) as second:
            await second.say(type="init", resume=wish)
            taken = await second.until("init_ack")
            assert (taken["resumed"], taken["seq"]) == (True, 0)
            assert taken["session_id"] == ack["session_id"]
            assert (await first.closed())[0] == 1001
            await second.answers()
            async with raw(served.url) as third:  # the old token is void
                await third.say(type="init", resume=wish)
                assert (await third.until("init_ack"))["resumed"] is False


async def test_a_clean_goodbye_leaves_nothing_to_resume() -> None:
    async with serving() as served:
        async with raw(served.url) as first:
            await first.say(type="init")
            ack = await first.until("init_ack")
            await first.say(type="end")
            assert (await first.closed())[0] == 1000
            assert first.seen[-1]["type"] == "session_ended"
        wish = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": ack["seq"]}
        async with raw(served.url) as second:
            await second.say(type="init", resume=wish)
            assert (await second.until("init_ack"))["resumed"] is False


async def test_more_than_is_kept_cannot_be_resumed() -> None:
    limits = {"replay_bytes": 1_000, "replay_s": 0.01}
    async with serving(limits=limits) as served, VoiceClient.connect(served.url) as client:
        old_id = client.session_id
        await client.send_text("one")
        await frame_of(client, AudioStreamEnd)
        wish = {
            "session_id": old_id,
            "token": client.init_ack.resume_token,
            "last_seq": 2,  # long forgotten
        }
        async with raw(served.url) as second:
            await second.say(type="init", resume=wish)
            assert (await second.until("init_ack"))["resumed"] is False


async def test_the_key_is_still_demanded() -> None:
    async with serving(api_keys=[KEY]) as served:
        async with VoiceClient.connect(served.url, api_key=KEY) as client:
            client.drop()
            assert await client.resume()
        with pytest.raises(ServerError):
            async with VoiceClient.connect(served.url, api_key="sk-wrong"):
                pass
