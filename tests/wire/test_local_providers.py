"""The offline providers with their real models: what is spoken is understood, what is cancelled stops."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soxr

from voice_server.audio.format import bytes_of_ms, duration_ms
from voice_server.errors import ModelFileError, ProviderError, ProviderUnavailable
from voice_server.providers import registry
from voice_server.providers.base import (
    AudioChunk,
    ChatMessage,
    Embeddings,
    FinalHeard,
    LanguageModel,
    PartialHeard,
    ReplyRequest,
    ReplyUsage,
    SpeechToText,
    SttHints,
    TextDelta,
    TextToSpeech,
    ToolUse,
)
from voice_server.providers.local.llama import LlamaLanguageModel
from voice_server.providers.local.weights import WeightStore

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

SYSTEM = ChatMessage("system", "You are a friendly voice assistant. Answer in one short sentence.")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stt() -> AsyncIterator[SpeechToText]:
    provider = registry.load("stt", "local", {"threads": 2})
    await provider.warm()
    yield provider
    await provider.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tts() -> AsyncIterator[TextToSpeech]:
    provider = registry.load("tts", "local", {"threads": 2})
    await asyncio.gather(provider.warm(), provider.warm())
    yield provider
    await provider.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llm() -> AsyncIterator[LanguageModel]:
    provider = registry.load("llm", "local", {"model": "smollm2", "warm_prompt": SYSTEM.content})
    await asyncio.gather(provider.warm(), provider.warm())
    yield provider
    await provider.close()


async def pieces(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


async def speak(tts: TextToSpeech, *texts: str) -> list[AudioChunk]:
    return [chunk async for chunk in tts.speak(pieces(*texts), tts.capabilities.voices[0])]


def for_ears(pcm: bytes, rate_hz: int) -> bytes:
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    heard: bytes = soxr.resample(samples, rate_hz, 16_000).clip(-32768, 32767).astype("<i2").tobytes()
    return heard


async def hear(stt: SpeechToText, pcm: bytes) -> FinalHeard:
    async with stt.open(SttHints()) as stream:
        stream.push(pcm)
        stream.flush(1)
        async for heard in stream:
            if isinstance(heard, FinalHeard):
                return heard
    raise AssertionError("the stream ended without a final")


async def understood(tts: TextToSpeech, stt: SpeechToText, text: str) -> str:
    """What Whisper hears when Piper says `text`: lower case, words and figures only."""
    pcm = b"".join(chunk.pcm for chunk in await speak(tts, text))
    heard = await hear(stt, for_ears(pcm, tts.capabilities.rate_hz))
    return " ".join(re.findall(r"[\w$€%.:]+", heard.transcript.text.lower())).rstrip(".")


# ── Hearing and speaking ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Can you explain in simple words why the sky is blue?", "simple words why the sky is blue"),
        ("Meet me at 5:30 p.m.", r"5[:.]?30 ?p\.?m"),
        ("It costs $42.50 in the shop.", r"it costs \$42.50 in the shop"),
        ("It is 20°C and the wind is 15 km/h.", r"20 degrees celsius .* 15 (km|kilometers) per hour"),
        ("The file is 3.5 GB, 12% of the disk.", r"3.5 ?(gigabytes|gb) 12% of the disk"),
        ("The WebSocket is ready at 17:45.", r"web ?socket is ready at (17|seventeen)"),
    ],
)
async def test_what_is_spoken_is_understood(
    tts: TextToSpeech, stt: SpeechToText, text: str, words: str
) -> None:
    # The voice draws its noise anew each time, and the smallest Whisper mishears one word in fifty.
    heard = [await understood(tts, stt, text) for _ in range(3)]
    assert any(re.search(words, said) for said in heard), heard


async def test_a_transcript_says_how_sure_it_is(tts: TextToSpeech, stt: SpeechToText) -> None:
    pcm = for_ears((await speak(tts, "The weather is lovely today."))[0].pcm, tts.capabilities.rate_hz)
    transcript = (await hear(stt, pcm)).transcript
    assert transcript.language == "en"
    assert transcript.confidence is not None
    assert 0.5 < transcript.confidence <= 1


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(32_000),
        np.zeros(0),
        np.random.default_rng(1).normal(0, 300, 32_000),
        np.sin(np.arange(32_000) / 20) * 2000,
        np.eye(1, 32_000, 16_000)[0] * 20_000,
    ],
    ids=["silence", "nothing", "noise", "hum", "click"],
)
async def test_where_nobody_speaks_nothing_is_heard(stt: SpeechToText, samples: np.ndarray) -> None:
    assert (await hear(stt, samples.astype("<i2").tobytes())).transcript.text == ""


async def test_partials_come_before_the_final(tts: TextToSpeech, stt: SpeechToText) -> None:
    chunks = await speak(tts, "The quick brown fox jumps over the lazy dog.")
    pcm = for_ears(chunks[0].pcm, tts.capabilities.rate_hz)
    frame = bytes_of_ms(20, 16_000)
    partials = []
    async with stt.open(SttHints()) as stream:
        for start in range(0, len(pcm), frame):
            stream.push(pcm[start : start + frame])
        async for heard in stream:
            match heard:
                case PartialHeard(text):
                    partials.append(text)
                    stream.flush(5)
                case FinalHeard(transcript, mark):
                    assert mark == 5
                    assert "brown fox" in transcript.text.lower()
                    break
    assert len(partials) == 1


async def test_pieces_come_in_order_each_with_its_end(tts: TextToSpeech) -> None:
    chunks = await speak(tts, "Hello there. How are you?", "😀", "Fine, thanks.")
    assert [(chunk.piece, chunk.ends_piece, bool(chunk.pcm)) for chunk in chunks] == [
        (0, False, True),
        (0, True, True),
        (1, True, False),
        (2, True, True),
    ]


async def test_speech_begins_and_ends_softly_and_pauses_longer_after_a_sentence(tts: TextToSpeech) -> None:
    rate_hz = tts.capabilities.rate_hz

    def pause_ms(pcm: bytes) -> float:
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2")) > 300)
        return duration_ms(len(pcm) - 2 * int(loud[-1]), rate_hz)

    sentence = (await speak(tts, "We went home."))[0].pcm
    clause = (await speak(tts, "We went home,"))[0].pcm
    for pcm in (sentence, clause):
        assert abs(int(np.frombuffer(pcm, "<i2")[0])) < 50
        assert duration_ms(len(pcm), rate_hz) > 500
    assert pause_ms(sentence) > pause_ms(clause) > 80


async def test_no_more_than_one_piece_is_made_ahead(tts: TextToSpeech) -> None:
    taken = []

    async def counted() -> AsyncIterator[str]:
        for number in ("One.", "Two.", "Three.", "Four."):
            taken.append(number)
            yield number

    speech = tts.speak(counted(), tts.capabilities.voices[0])
    await anext(speech)
    await speak(tts, "By the time this is spoken the engine has been free.")
    assert taken == ["One.", "Two."]
    await speech.aclose()
    assert taken == ["One.", "Two."]


async def test_leaving_while_the_text_is_awaited_ends_the_text(tts: TextToSpeech) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            yield "Hello."
            await asyncio.Event().wait()
        finally:
            ended.set()

    text = endless()
    speech = tts.speak(text, tts.capabilities.voices[0])
    await anext(speech)
    await asyncio.sleep(0)
    await speech.aclose()
    assert ended.is_set()


async def test_a_faster_voice_is_shorter(tts: TextToSpeech) -> None:
    fast = registry.load("tts", "local", {"speed": 1.6})
    text = "This sentence takes a while to be spoken from its beginning to its end."
    normal_bytes, fast_bytes = len((await speak(tts, text))[0].pcm), len((await speak(fast, text))[0].pcm)
    await fast.close()
    assert fast_bytes < 0.8 * normal_bytes


# ── Thinking ─────────────────────────────────────────────────────────────────────────────────────


def ask(text: str, *before: ChatMessage, max_tokens: int = 20) -> ReplyRequest:
    messages = (SYSTEM, *before, ChatMessage("user", text))
    return ReplyRequest(messages=messages, max_tokens=max_tokens, temperature=0)


async def reply(llm: LanguageModel, request: ReplyRequest) -> tuple[str, ReplyUsage]:
    deltas = [delta async for delta in llm.reply(request)]
    assert isinstance(deltas[-1], ReplyUsage)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), deltas[-1]


async def test_a_reply_streams_and_ends_with_its_usage(llm: LanguageModel) -> None:
    text, usage = await reply(llm, ask("What is the capital of France?"))
    assert "Paris" in text
    assert usage.prompt_tokens > 20
    assert 0 < usage.completion_tokens <= 20


async def test_more_replies_than_slots_are_all_answered(llm: LanguageModel) -> None:
    replies = await asyncio.gather(*(reply(llm, ask(f"Say the word {word}.")) for word in "abcde"))
    assert all(text for text, _ in replies)


async def test_a_conversation_begun_with_tools_goes_on(llm: LanguageModel) -> None:
    before: Sequence[ChatMessage] = (
        ChatMessage("user", "What time is it?"),
        ChatMessage("assistant", "", tool_uses=(ToolUse("1", "clock", "{}"),)),
        ChatMessage("tool", "noon", call_id="1"),
    )
    text, _ = await reply(llm, ask("So, what time is it?", *before))
    assert text


def long_prompt(seed: int, words: int = 300) -> str:
    return " ".join(f"{seed}{word * 7919 % 9973}" for word in range(words))


async def test_a_prompt_that_does_not_fit_is_said_clearly(llm: LanguageModel) -> None:
    with pytest.raises(ProviderError, match="longer than the 4096 tokens") as caught:
        await reply(llm, ask(long_prompt(1, words=5000)))
    assert (caught.value.stage, caught.value.retryable) == ("llm", False)  # nobody else waits for it


def as_payload(request: ReplyRequest) -> dict[str, object]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    return {"messages": messages, "max_tokens": request.max_tokens}


async def test_a_reply_left_while_its_prompt_is_read_is_read_no_further(llm: LanguageModel) -> None:
    assert isinstance(llm, LlamaLanguageModel)
    prompt = as_payload(ask(long_prompt(2), max_tokens=1))
    events = llm.engine.events(prompt)
    async for event in events:
        if event.get("prompt_progress", {}).get("processed", 0) > 100:
            break
    await events.aclose()
    await reply(llm, ask("Hi"))  # the engine has had time to read on, had it wanted to
    # The cache tells how far the abandoned reading got.
    again = llm.engine.events(prompt)
    progress = (await anext(event async for event in again if "prompt_progress" in event))["prompt_progress"]
    await again.aclose()
    assert progress["total"] > 1000
    assert progress["cache"] < progress["total"] / 2


def talk(about: str) -> tuple[ChatMessage, ...]:
    """What was said so far, of some length."""
    return (ChatMessage("user", f"Tell me of {about}."), ChatMessage("assistant", f"Well, {about}. " * 30))


async def tokens_read(llm: LlamaLanguageModel, request: ReplyRequest) -> int:
    """How much of a prompt was not known from before, in tokens."""
    events = [event async for event in llm.engine.events(as_payload(request))]
    progress = [event["prompt_progress"] for event in events if "prompt_progress" in event][-1]
    return int(progress["total"] - progress["cache"])


async def test_a_conversation_is_read_once_whoever_talks_between_and_whatever_is_dropped(
    llm: LanguageModel,
) -> None:
    assert isinstance(llm, LlamaLanguageModel)
    ships = talk("ships")
    assert await tokens_read(llm, ask("How big?", *ships, max_tokens=3)) > 60
    for question in ("How fast?", "How old?", "How heavy?"):
        await reply(llm, ask(f"{question} Hello!", max_tokens=3))  # somebody else
        async for _ in (dropped := llm.engine.events(as_payload(ask("How", *ships, max_tokens=200)))):
            break
        await dropped.aclose()
        assert await tokens_read(llm, ask(question, *ships, max_tokens=3)) < 20


async def test_replies_left_while_they_are_written_are_written_no_further(llm: LanguageModel) -> None:
    assert isinstance(llm, LlamaLanguageModel)
    # Written to their ends these would hold both slots for minutes, and the test would run into its deadline.
    for number in range(12):
        story = as_payload(ask(f"Tell story number {number}.", max_tokens=3500)) | {"ignore_eos": True}
        events = llm.engine.events(story)
        async for event in events:
            if (choices := event.get("choices")) and choices[0]["delta"].get("content"):
                break
        await events.aclose()
    text, _ = await reply(llm, ask("Hi"))
    assert text


async def test_a_model_closed_in_mid_reply_ends_the_reply_with_an_error() -> None:
    llm = registry.load("llm", "local", {"model": "smollm2", "slots": 1})
    speaking = llm.reply(ask("Tell a very long story.", max_tokens=500))
    await anext(speaking)
    waiting = asyncio.create_task(reply(llm, ask("And me?")))
    await asyncio.sleep(0.1)
    await llm.close()
    with pytest.raises(ProviderError):
        async for _ in speaking:
            pass
    with pytest.raises(ProviderError):
        await waiting
    with pytest.raises(ProviderUnavailable):
        await reply(llm, ask("Still there?"))


async def test_weights_that_are_not_here_are_named_with_the_remedy(tmp_path: Path) -> None:
    options = {"weights": WeightStore(tmp_path)}
    providers = {
        "whisper-tiny-en": registry.load("stt", "local", options),
        "qwen-1.5b": registry.load("llm", "local", options),
        "piper-joe": registry.load("tts", "local", options),
    }
    for model, provider in providers.items():
        with pytest.raises(ModelFileError, match=f"voice-server models pull {model}"):
            await provider.warm()
        await provider.close()


# ── Embeddings ───────────────────────────────────────────────────────────────────────────────────


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embeddings() -> AsyncIterator[Embeddings]:
    provider = registry.load("embeddings", "local", {})
    await provider.warm()
    yield provider
    await provider.close()


async def test_texts_of_like_meaning_are_near(embeddings: Embeddings) -> None:
    pasta, noodles, train = await embeddings.embed(
        ["How do I cook pasta?", "Boil the noodles for nine minutes.", "The train leaves at seven."]
    )
    assert pasta @ noodles > 0.4 > 0.2 > pasta @ train
    assert {vector.shape for vector in (pasta, noodles, train)} == {(embeddings.capabilities.dimensions,)}


@pytest.mark.parametrize("words", ["", " ", "x" * 100_000, "word " * 5_000, "🫖", "\x00", "日本語のテキスト"])
async def test_any_text_has_a_vector_of_unit_length(embeddings: Embeddings, words: str) -> None:
    (vector,) = await embeddings.embed([words])
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


async def test_a_text_has_one_vector_whatever_is_beside_it(embeddings: Embeddings) -> None:
    (alone,) = await embeddings.embed(["green tea"])
    beside = await embeddings.embed(["green tea", "a much longer text about something else", "green tea"])
    assert (beside[0] == alone).all() and (beside[2] == alone).all()


async def test_embeddings_that_are_not_here_are_named_with_the_remedy(tmp_path: Path) -> None:
    provider = registry.load("embeddings", "local", {"weights": WeightStore(tmp_path)})
    with pytest.raises(ModelFileError, match="models pull minilm"):
        await provider.embed(["tea"])
    await provider.close()
