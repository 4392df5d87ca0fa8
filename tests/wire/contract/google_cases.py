"""Google, in both versions of its speech recognition."""

from tests.wire.contract.case import KEY, Case
from voice_server.fakes.google import FakeGoogle
from voice_server.providers.base import SpeechToText, TextToSpeech
from voice_server.providers.google import speech, voice


def _v1(address: str) -> SpeechToText:
    return speech.create({"api_key": KEY, "base_url": f"http://{address}"})


def _v2(address: str) -> SpeechToText:
    return speech.create(
        {"api_key": KEY, "base_url": f"http://{address}", "version": "v2", "project": "our-project"}
    )


def _voice(address: str) -> TextToSpeech:
    return voice.create({"api_key": KEY, "base_url": f"http://{address}"})


STT = (
    Case("google-v1", FakeGoogle, _v1, german="de-DE"),
    Case("google-v2", FakeGoogle, _v2, german="de-DE"),
)
TTS = (Case("google", FakeGoogle, _voice),)
