"""Azure by its native SDK, against a fake that speaks its wire: what is Azure's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from voice_server.errors import ConfigurationError
from voice_server.fakes.azure import VOICES, FakeAzure
from voice_server.fakes.script import PATIENCE_S, Fault, Script
from voice_server.fakes.spoken import speak
from voice_server.providers.azure import speech, voice
from voice_server.providers.azure.errors import CancelledByAzure, azure_error
from voice_server.providers.base import FinalHeard, SttHints

pytestmark = pytest.mark.wire


def options(fake: FakeAzure, **more: Any) -> dict[str, Any]:
    return {"api_key": "a-test-key", "base_url": f"http://{fake.address}", **more}


async def test_finals_say_how_sure_they_are() -> None:
    async with FakeAzure(Script()) as fake:
        stt = speech.create(options(fake, language="en-GB"))
        async with asyncio.timeout(PATIENCE_S), stt.open(SttHints(None)) as stream:
            stream.push(speak("hello"))
            stream.flush(1)
            finals = [heard async for heard in _until_final(stream)]
        await stt.close()
    assert [final.transcript.confidence for final in finals] == [pytest.approx(0.9)]
    assert {call.language for call in fake.seen.calls} == {"en-GB"}


async def _until_final(stream: Any) -> AsyncIterator[FinalHeard]:
    async for heard in stream:
        if isinstance(heard, FinalHeard):
            yield heard
            return


async def test_leaving_a_silent_service_waits_for_nobody() -> None:
    async with FakeAzure(Script(fault=Fault.HANG)) as fake:
        stt = speech.create(options(fake))
        async with stt.open(SttHints("en-US")) as stream:
            stream.push(speak("hello"))
            await fake.seen.until(lambda seen: seen.under_way == 1)
        # The SDK is still stopping: its socket is open, and the caller is free.
        assert fake.seen.under_way == 1
        async with asyncio.timeout(5):  # left to itself the SDK would take ten
            await fake.seen.until(lambda seen: seen.abandoned == 1)
        await stt.close()


async def test_warm_learns_the_voices_and_puts_the_preferred_first() -> None:
    async with FakeAzure(Script()) as fake:
        tts = voice.create(options(fake, voice="de-DE-ConradNeural"))
        await tts.warm()
        await tts.close()
    voices = tts.capabilities.voices
    assert [one.id for one in voices] == [VOICES[1][0], VOICES[0][0]]
    assert (voices[0].gender, voices[0].languages) == ("male", ("de-DE",))


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("AuthenticationFailure", "provider_auth"),
        ("Forbidden", "provider_auth"),
        ("TooManyRequests", "provider_rate_limited"),
        ("ConnectionFailure", "provider_unreachable"),
        ("ServiceTimeout", "provider_timeout"),
        ("BadRequest", "provider_failed"),
        ("ServiceError", "provider_failed"),
        ("ServiceUnavailable", "provider_failed"),
        ("RuntimeError", "provider_failed"),
    ],
)
def test_cancellations_in_our_words(code: str, ours: str) -> None:
    error = azure_error(CancelledByAzure(code, "wss://secret"), "stt")
    assert error.code == ours
    assert "secret" not in error.message


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({}, "VOICE_SERVER_VENDORS__AZURE__API_KEY"),
        ({"api_key": "k"}, "VOICE_SERVER_VENDORS__AZURE__REGION"),
    ],
)
def test_what_is_missing_is_named(wrong: dict[str, Any], setting: str) -> None:
    for create in (speech.create, voice.create):
        with pytest.raises(ConfigurationError, match=setting):
            create(wrong)
