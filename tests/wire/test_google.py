"""Google by its own SDK, against a fake that speaks its wire: what is Google's own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from voice_server.errors import ConfigurationError, ProviderError
from voice_server.fakes.google import FakeGoogle, GoogleHabits
from voice_server.fakes.spoken import quiet, speak
from voice_server.providers.base import FinalHeard, PartialHeard, SttHints, SttStream
from voice_server.providers.google import speech
from voice_server.providers.google import voice as speaking

pytestmark = pytest.mark.wire

KEY = "a-test-key"
SENTENCES = [f"sentence {number} of many." for number in range(12)]


@pytest.fixture
async def fake() -> AsyncIterator[FakeGoogle]:
    async with FakeGoogle(habits=GoogleHabits(spells=True)) as fake:
        yield fake


def options(fake: FakeGoogle, **more: Any) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": f"http://{fake.address}", **more}


async def final(stream: SttStream, mark: int) -> FinalHeard:
    async with asyncio.timeout(30):
        async for heard in stream:
            if isinstance(heard, FinalHeard) and heard.mark == mark:
                return heard
    raise AssertionError("the stream ended without a final")


async def hear(fake: FakeGoogle, audio: list[bytes], **more: Any) -> tuple[str, list[str]]:
    """The final text of `audio`, and every partial before it; each piece waits for an answer to the last."""
    stt = speech.create(options(fake, **more))
    partials: list[str] = []
    text = ""
    async with asyncio.timeout(60), stt.open(SttHints("en-US")) as stream:
        for pcm in audio:
            stream.push(pcm)
            await asyncio.sleep(0.02)  # the speaker takes longer; without it nothing could be heard in time
        stream.flush(1)
        async for heard in stream:
            if isinstance(heard, FinalHeard):
                text = heard.transcript.text
                break
            partials.append(heard.text)
    await stt.close()
    return text, partials


def frames(text: str, pause_ms: float = 400) -> list[bytes]:
    pcm = speak(text) + quiet(pause_ms)
    return [pcm[start : start + 6400] for start in range(0, len(pcm), 6400)]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_calls_are_replaced_in_pauses_and_no_word_is_lost_or_doubled(
    fake: FakeGoogle, version: str
) -> None:
    audio = [frame for sentence in SENTENCES for frame in frames(sentence)]
    text, partials = await hear(fake, audio, version=version, project="p", rotate_after_s=2.0)
    assert text == " ".join(SENTENCES)
    assert len(fake.seen.calls) > 3
    assert partials[-1] == text


async def test_a_call_that_google_ends_is_replaced_and_no_word_is_lost_or_doubled() -> None:
    async with FakeGoogle(habits=GoogleHabits(spells=True, longest_call_ms=3_000)) as fake:
        audio = [frame for sentence in SENTENCES for frame in frames(sentence)]
        text, _ = await hear(fake, audio)
    assert text == " ".join(SENTENCES)
    assert len(fake.seen.calls) > 3


async def test_a_call_without_pauses_is_closed_before_the_limit() -> None:
    async with FakeGoogle(habits=GoogleHabits(spells=True, notices_pauses=False)) as fake:
        audio = speak("a" * 1500)  # 60 s; rotation is due at 1 s and forced 45 s later
        text, _ = await hear(fake, [audio], rotate_after_s=1.0)
    assert text.replace(" ", "").count("a") >= 1499  # the letter under the knife is two halves
    assert len(fake.seen.calls) == 2


async def test_google_closing_every_call_at_once_is_an_error_and_no_endless_loop() -> None:
    async with FakeGoogle(habits=GoogleHabits(spells=True, longest_call_ms=0)) as fake:
        stt = speech.create(options(fake))
        async with stt.open(SttHints("en-US")) as stream:
            stream.push(speak("hello"))
            stream.flush(1)
            with pytest.raises(ProviderError, match="Google refused") as caught:
                await final(stream, 1)
        await stt.close()
    assert caught.value.code == "provider_failed"
    assert len(fake.seen.calls) == 2


async def test_a_long_clip_goes_in_messages_that_google_takes(fake: FakeGoogle) -> None:
    text, _ = await hear(fake, [speak("word " * 40)])  # 8 s, ten messages at the least
    assert text == ("word " * 40).strip()
    assert len(fake.seen.calls) == 1


async def test_partials_grow_over_the_flush(fake: FakeGoogle) -> None:
    stt = speech.create(options(fake))
    async with asyncio.timeout(30), stt.open(SttHints("en-US")) as stream:
        stream.push(speak("first"))
        stream.flush(1)
        assert (await final(stream, 1)).transcript.text == "first"
        stream.push(speak("second"))
        async for heard in stream:
            assert heard == PartialHeard("first second")
            break
    await stt.close()


@pytest.mark.parametrize(
    ("voice", "method"),
    [("en-US-Chirp3-HD-Achernar", "StreamingSynthesize"), ("en-US-Neural2-C", "SynthesizeSpeech")],
)
async def test_voices_that_stream_are_streamed(fake: FakeGoogle, voice: str, method: str) -> None:
    tts = speaking.create(options(fake, voice=voice))
    await tts.warm()
    chosen = tts.capabilities.voices[0]

    async def text() -> AsyncIterator[str]:
        yield "Hello."

    chunks = [chunk async for chunk in tts.speak(text(), chosen)]
    await tts.close()
    assert chosen.id == voice
    assert [call.raw["method"] for call in fake.seen.calls] == ["ListVoices", method]
    assert (fake.seen.calls[1].voice, fake.seen.calls[1].language) == (voice, "en-US")
    assert sum(len(chunk.pcm) for chunk in chunks) == len(fake.script.sound_of("Hello."))
    assert [chunk.ends_piece for chunk in chunks][-1]


async def test_warm_learns_the_voices(fake: FakeGoogle) -> None:
    tts = speaking.create(options(fake))
    await tts.warm()
    await tts.close()
    assert [voice.id for voice in tts.capabilities.voices] == list(fake.habits.voices)
    assert tts.capabilities.languages == ("en-US", "de-DE")


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({}, "VOICE_SERVER_VENDORS__GOOGLE__API_KEY"),
        ({"api_key": "k", "version": "v2"}, "VOICE_SERVER_VENDORS__GOOGLE__PROJECT"),
        ({"api_key": "k", "version": "v9"}, "VOICE_SERVER_VENDORS__GOOGLE__VERSION"),
    ],
)
def test_what_is_missing_is_named(wrong: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        speech.create(wrong)


def test_credentials_that_are_not_there_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"/nowhere.json: there is no such file"):
        speech.create({"credentials_file": "/nowhere.json"})


async def test_credentials_that_cannot_be_read_are_named(fake: FakeGoogle, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text("no account")
    stt = speech.create({"credentials_file": str(account)})
    with pytest.raises(ConfigurationError, match="VOICE_SERVER_VENDORS__GOOGLE__CREDENTIALS_FILE"):
        await stt.warm()
    await stt.close()
