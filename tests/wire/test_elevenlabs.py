"""ElevenLabs by its own SDK, against a fake that speaks its wire: what is ElevenLabs' own."""

import asyncio
import threading
from typing import Any

import httpx
import pytest

from voice_server.errors import ConfigurationError, ProviderError
from voice_server.fakes.elevenlabs import VOICES, FakeElevenLabs
from voice_server.fakes.script import PATIENCE_S, Fault, Script
from voice_server.fakes.spoken import speak
from voice_server.providers.base import FinalHeard, SttHints, SttStream
from voice_server.providers.elevenlabs import speech, voice
from voice_server.providers.elevenlabs.client import ElevenLabsClient
from voice_server.providers.elevenlabs.errors import ToldError, elevenlabs_error
from voice_server.providers.elevenlabs.options import ElevenLabsOptions

pytestmark = pytest.mark.wire


def options(fake: FakeElevenLabs, **more: Any) -> dict[str, Any]:
    return {"api_key": "a-test-key", "base_url": f"http://{fake.address}", **more}


async def final(stream: SttStream, mark: int) -> FinalHeard:
    async with asyncio.timeout(PATIENCE_S):
        async for heard in stream:
            if isinstance(heard, FinalHeard) and heard.mark == mark:
                return heard
    raise AssertionError("the stream ended without a final")


async def test_a_word_too_short_to_commit_is_heard_all_the_same() -> None:
    async with FakeElevenLabs(Script()) as fake:
        stt = speech.create(options(fake))
        async with stt.open(SttHints("en-US")) as stream:
            stream.push(speak("hi"))  # 80 ms; the vendor commits nothing under 300
            stream.flush(1)
            assert (await final(stream, 1)).transcript.text == fake.script.text
            stream.flush(2)  # nothing new: no commit, which would be refused
            assert (await final(stream, 2)).transcript.text == fake.script.text
        await stt.close()


@pytest.mark.parametrize(
    ("language", "word", "heard"), [("en-US", "word", "word word word"), ("ja-JP", "はい", "はいはいはい")]
)
async def test_an_utterance_is_committed_before_the_vendor_does_it(
    language: str, word: str, heard: str
) -> None:
    async with FakeElevenLabs(Script(words=(word,))) as fake:
        stt = speech.create(options(fake))
        async with stt.open(SttHints(language)) as stream:
            stream.push(speak("a" * 3200))  # 128 s
            stream.flush(1)
            assert (await final(stream, 1)).transcript.text == heard
        await stt.close()


async def test_a_client_whose_first_user_gave_up_is_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[httpx.AsyncClient] = []
    begun, may_go_on = threading.Event(), threading.Event()

    class Noted(httpx.AsyncClient):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)
            begun.set()
            may_go_on.wait(PATIENCE_S)

    monkeypatch.setattr(httpx, "AsyncClient", Noted)
    client = ElevenLabsClient(ElevenLabsOptions("a-test-key"))
    first = asyncio.create_task(client.get())
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    first.cancel()
    second = asyncio.create_task(client.get())
    await asyncio.wait({first})
    may_go_on.set()
    await second
    await client.close()
    assert made and all(one.is_closed for one in made)


async def test_clips_say_how_sure_they_are() -> None:
    async with FakeElevenLabs(Script()) as fake:
        stt = speech.create(options(fake, transport="http"))
        async with stt.open(SttHints(None)) as stream:
            stream.push(speak("hello"))
            stream.flush(1)
            transcript = (await final(stream, 1)).transcript
        await stt.close()
    assert transcript.confidence == pytest.approx(0.905, abs=0.001)
    assert transcript.language == "en"
    assert fake.seen.calls[0].language is None


async def test_warm_learns_the_voices_and_puts_the_preferred_first() -> None:
    async with FakeElevenLabs(Script()) as fake:
        tts = voice.create(options(fake, voice="v2"))
        assert tts.capabilities.voices[0].id == "v2"
        await tts.warm()
        await tts.warm()
        await tts.close()
    assert [(one.id, one.name, one.gender) for one in tts.capabilities.voices] == [VOICES[1], VOICES[0]]
    assert len(fake.seen.calls) == 1


async def test_an_account_may_have_many_voices() -> None:
    async with FakeElevenLabs(Script()) as fake:
        fake.voices = tuple((f"v{number}", "Ada", "female") for number in range(250))
        tts = voice.create(options(fake))
        await tts.warm()
        await tts.close()
    assert [one.id for one in tts.capabilities.voices] == [one for one, _, _ in fake.voices]


async def test_a_key_that_may_not_list_voices_may_still_speak() -> None:
    async with FakeElevenLabs(Script(fault=Fault.REJECTED_KEY)) as fake:
        tts = voice.create(options(fake))
        await tts.warm()
        await tts.close()
    assert tts.capabilities.voices


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("auth_error", "provider_auth"),
        ("unaccepted_terms", "provider_auth"),
        ("quota_exceeded", "provider_rate_limited"),
        ("resource_exhausted", "provider_rate_limited"),
        ("input_error", "provider_failed"),
        ("transcriber_error", "provider_failed"),
        ("something_new", "provider_failed"),
    ],
)
def test_errors_told_on_a_socket(kind: str, code: str) -> None:
    assert elevenlabs_error(ToldError(kind), "stt").code == code


async def test_a_socket_that_tells_of_an_error_is_believed() -> None:
    class Throttling(FakeElevenLabs):
        """Refuses every commit."""

        async def websocket(self, link: Any) -> None:
            await link.accept()
            while (message := await link.receive()) is not None:
                if message["commit"]:
                    await link.send({"message_type": "commit_throttled", "error": "too soon"})

    async with Throttling(Script()) as fake:
        stt = speech.create(options(fake))
        async with stt.open(SttHints("en-US")) as stream:
            stream.push(speak("hello there"))
            stream.flush(1)
            with pytest.raises(ProviderError) as failure:
                await final(stream, 1)
        await stt.close()
    assert failure.value.code == "provider_rate_limited"


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({}, "VOICE_SERVER_VENDORS__ELEVENLABS__API_KEY"),
        ({"api_key": "k", "transport": "pigeon"}, "VOICE_SERVER_VENDORS__ELEVENLABS__STT_TRANSPORT"),
        ({"api_key": "k", "base_url": "elevenlabs"}, "VOICE_SERVER_VENDORS__ELEVENLABS__BASE_URL"),
    ],
)
def test_what_is_missing_is_named(wrong: dict[str, Any], setting: str) -> None:
    for create in (speech.create, voice.create):
        with pytest.raises(ConfigurationError, match=setting):
            create(wrong)
