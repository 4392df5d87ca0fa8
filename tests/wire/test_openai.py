"""OpenAI by its own SDK, against a fake that speaks its wire: what is OpenAI's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from voice_server.errors import ProviderError
from voice_server.fakes.asgi import Exchange, Link
from voice_server.fakes.openai import FakeOpenAi
from voice_server.fakes.script import PATIENCE_S, Call, Fault, Script
from voice_server.fakes.spoken import quiet, speak
from voice_server.providers.base import (
    ChatMessage,
    FinalHeard,
    ReplyRequest,
    SttHints,
    SttStream,
    TextDelta,
    ToolCallDelta,
    ToolUse,
    Transcript,
)
from voice_server.providers.openai import embeddings, llm, stt, tts
from voice_server.providers.openai.realtime import RealtimeSpeechToText

pytestmark = pytest.mark.wire

REQUEST = ReplyRequest([ChatMessage("user", "Hello")], temperature=0.5, max_tokens=99)
ENGLISH = SttHints("en-US")
SPEECH = speak("it is almost noon, and the sun is high")


class ChattingBadly(FakeOpenAi):
    """Chats by sending `events` as they are, and speaks by sending `body` as `kind`."""

    events: tuple[str, ...] = ()
    body, kind = b"", "audio/pcm"

    async def http(self, exchange: Exchange) -> None:
        if exchange.path.endswith("speech"):
            await exchange.answer(200, self.body, self.kind)
        else:
            pieces = [f"data: {event}\n\n".encode() for event in self.events]
            await exchange.play(self.seen, Call(), self.script, "text/event-stream", pieces)


class Refusing(FakeOpenAi):
    """Takes the handshake of a transcription, and then refuses."""

    async def websocket(self, link: Link) -> None:
        await link.accept()
        await link.send({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded"}})
        while await link.receive() is not None:
            pass


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAi]:
    async with FakeOpenAi(Script()) as fake:
        yield fake


@pytest.fixture
async def bad() -> AsyncIterator[ChattingBadly]:
    async with ChattingBadly(Script()) as fake:
        yield fake


def options(fake: FakeOpenAi, **more: Any) -> dict[str, Any]:
    return {"api_key": "sk", "base_url": f"http://{fake.address}/v1", **more}


async def ask(fake: FakeOpenAi, **more: Any) -> list[Any]:
    model = llm.create(options(fake, **more))
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(model.reply(REQUEST)) as deltas:
            return [delta async for delta in deltas]
    finally:
        await model.close()


# ── Language model ───────────────────────────────────────────────────────────────────────────────


async def test_a_model_that_thinks_is_told_not_to_and_keeps_its_temperature(fake: FakeOpenAi) -> None:
    await ask(fake)
    sent = fake.seen.calls[0].raw
    assert sent["reasoning_effort"] == "none"
    assert "temperature" not in sent


async def test_a_model_that_does_not_think_takes_the_temperature(fake: FakeOpenAi) -> None:
    await ask(fake, model="gpt-4.1-mini")
    sent = fake.seen.calls[0].raw
    assert sent["temperature"] == 0.5
    assert "reasoning_effort" not in sent


async def test_the_effort_that_is_set_is_sent(fake: FakeOpenAi) -> None:
    await ask(fake, model="gpt-6-luna", reasoning_effort="low")
    assert fake.seen.calls[0].raw["reasoning_effort"] == "low"


async def test_other_servers_are_told_the_longest_reply_by_its_old_name(fake: FakeOpenAi) -> None:
    await ask(fake, name="vllm", model="qwen3-8b")
    sent = fake.seen.calls[0].raw
    assert sent["max_tokens"] == 99
    assert "max_completion_tokens" not in sent


def delta(content: str | None = None, finish: str | None = None, **more: Any) -> str:
    return json.dumps(
        {"choices": [{"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}]}
    )


async def test_a_server_that_gives_tool_calls_no_ids_is_understood(bad: ChattingBadly) -> None:
    called = {"index": 0, "function": {"name": "weather", "arguments": ""}}
    bad.events = (delta(tool_calls=[called]), delta(finish="tool_calls"), "[DONE]")
    assert await ask(bad) == [ToolCallDelta(ToolUse("call_0", "weather", "{}"))]


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (("{not JSON",), "provider_bad_answer"),
        (('{"choices": 7}',), "provider_bad_answer"),
        (("[DONE]",), "provider_bad_answer"),
        ((delta("Hel"), "[DONE]"), "provider_failed"),  # no finish_reason: cut by something in between
        ((delta("Hel"), '{"error": {"type": "server_error", "message": "no"}}'), "provider_failed"),
        ((delta("Hel"), '{"error": {"code": "rate_limit_exceeded"}}'), "provider_rate_limited"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    bad: ChattingBadly, events: tuple[str, ...], code: str
) -> None:
    bad.events = events
    with pytest.raises(ProviderError) as failure:
        await ask(bad)
    assert (failure.value.code, failure.value.stage) == (code, "llm")


async def test_what_came_before_an_error_was_given(bad: ChattingBadly) -> None:
    bad.events = (delta("Hel"), "{not JSON")
    model = llm.create(options(bad))
    given = []
    with pytest.raises(ProviderError):
        async for one in model.reply(REQUEST):
            given.append(one)  # noqa: PERF401 - what came before the failure counts
    await model.close()
    assert given == [TextDelta("Hel")]


# ── Text to speech ───────────────────────────────────────────────────────────────────────────────


async def one_piece() -> AsyncIterator[str]:
    yield "Hello."


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"error": "quiet"}'),
        ("text/html; charset=utf-8", b"<html>"),
        ("audio/pcm", b""),
    ],
)
async def test_what_is_no_sound_is_not_played(bad: ChattingBadly, kind: str, body: bytes) -> None:
    bad.kind, bad.body = kind, body
    voice = tts.create(options(bad))
    with pytest.raises(ProviderError) as failure:
        async with aclosing(voice.speak(one_piece(), voice.capabilities.voices[0])) as chunks:
            async for _ in chunks:
                pass
    await voice.close()
    assert (failure.value.code, failure.value.stage) == ("provider_bad_answer", "tts")


async def test_instructions_go_with_every_piece(fake: FakeOpenAi) -> None:
    voice = tts.create(options(fake, instructions="Whisper."))
    async with aclosing(voice.speak(one_piece(), voice.capabilities.voices[0])) as chunks:
        assert [chunk async for chunk in chunks]
    await voice.close()
    assert fake.seen.calls[0].raw["instructions"] == "Whisper."


# ── Speech to text while it is spoken ────────────────────────────────────────────────────────────


@pytest.fixture
async def recogniser(fake: FakeOpenAi) -> AsyncIterator[RealtimeSpeechToText]:
    made = stt.create(options(fake, transport="realtime"))
    assert isinstance(made, RealtimeSpeechToText)
    yield made
    await made.close()


async def final(stream: SttStream) -> FinalHeard:
    async with asyncio.timeout(PATIENCE_S):
        async for heard in stream:
            if isinstance(heard, FinalHeard):
                return heard
    raise AssertionError("the stream ended without a final")


async def test_a_session_is_told_that_we_end_the_turns(
    fake: FakeOpenAi, recogniser: RealtimeSpeechToText
) -> None:
    async with recogniser.open(ENGLISH) as stream:
        stream.push(SPEECH)
        stream.flush(1)
        await final(stream)
    sent = fake.seen.calls[0].raw
    assert sent["type"] == "transcription"
    assert sent["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert sent["audio"]["input"]["turn_detection"] is None


async def test_too_little_new_audio_is_kept_for_the_next_commit(
    fake: FakeOpenAi, recogniser: RealtimeSpeechToText
) -> None:
    async with recogniser.open(ENGLISH) as stream:
        stream.push(SPEECH)
        stream.flush(1)
        first = await final(stream)
        stream.push(quiet(60))  # the vendor refuses a commit of less than 100 ms
        stream.flush(2)
        second = await final(stream)
        stream.push(quiet(60))
        stream.flush(3)
        third = await final(stream)
    assert second.transcript == first.transcript == Transcript(fake.script.text, "en-US")
    assert third.transcript.text == f"{fake.script.text} {fake.script.text}"


async def test_an_error_event_ends_the_utterance() -> None:
    async with Refusing(Script()) as refusing:
        made = stt.create(options(refusing, transport="realtime"))
        with pytest.raises(ProviderError) as failure:
            async with made.open(ENGLISH) as stream:
                stream.push(SPEECH)
                stream.flush(1)
                await final(stream)
        await made.close()
    assert (failure.value.code, failure.value.stage) == ("provider_rate_limited", "stt")


async def test_a_partial_of_a_clip_that_fails_is_no_loss(fake: FakeOpenAi) -> None:
    made = stt.create(options(fake, transport="http", partial_every_ms=500))
    fake.script.fault = Fault.BROKEN
    async with made.open(ENGLISH) as stream:
        stream.push(SPEECH)
        await fake.seen.until(lambda seen: len(seen.calls) == 1 and seen.under_way == 0)
        fake.script.fault = None
        stream.flush(1)
        assert (await final(stream)).transcript.text == fake.script.text
    await made.close()


# ── Embeddings ───────────────────────────────────────────────────────────────────────────────────


async def test_texts_become_vectors_of_unit_length_in_their_order(fake: FakeOpenAi) -> None:
    provider = embeddings.create(options(fake, embeddings_dimensions=16))
    texts = ["tea", "", "x" * 100_000, "語" * 8_000, *(f"text {number}" for number in range(300))]
    vectors = await provider.embed(texts)
    await provider.close()
    assert [vector.shape for vector in vectors] == [(16,)] * len(texts)
    assert {float(vector @ vector) for vector in vectors} == {1.0}
    assert [len(call.raw["input"]) for call in fake.seen.calls] == [32] * 9 + [16]
    assert {call.model for call in fake.seen.calls} == {"text-embedding-3-small"}
    # A token is no less than a byte, and 8,191 are taken of a text, 300,000 of all.
    assert all(0 < len(one.encode()) <= 8_191 for call in fake.seen.calls for one in call.raw["input"])
    assert provider.model == "openai/text-embedding-3-small/16"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.REJECTED_KEY, "provider_auth"),
        (Fault.RATE_LIMITED, "provider_rate_limited"),
        (Fault.BROKEN, "provider_failed"),
        (Fault.GARBAGE, "provider_bad_answer"),
    ],
)
async def test_embeddings_that_fail_say_why(fake: FakeOpenAi, fault: Fault, code: str) -> None:
    fake.script.fault = fault
    provider = embeddings.create(options(fake))
    with pytest.raises(ProviderError) as caught:
        await provider.embed(["tea"])
    await provider.close()
    assert caught.value.code == code


async def test_vectors_of_another_length_are_refused(fake: FakeOpenAi) -> None:
    class Short(FakeOpenAi):
        async def http(self, exchange: Exchange) -> None:
            body = {"object": "list", "model": "m", "data": [{"index": 0, "embedding": [1.0, 0.0]}]}
            await exchange.answer(200, json.dumps(body).encode(), "application/json")

    async with Short(Script()) as short:
        provider = embeddings.create(options(short))
        with pytest.raises(ProviderError) as caught:
            await provider.embed(["tea"])
        await provider.close()
    assert caught.value.code == "provider_bad_answer"
