"""Azure, by its native SDK."""

from tests.wire.contract.case import KEY, Case
from voice_server.fakes.azure import FakeAzure
from voice_server.fakes.script import Fault
from voice_server.providers.azure import speech, voice
from voice_server.providers.base import SpeechToText, TextToSpeech


def _stt(address: str) -> SpeechToText:
    return speech.create({"api_key": KEY, "base_url": f"http://{address}"})


def _tts(address: str) -> TextToSpeech:
    return voice.create({"api_key": KEY, "base_url": f"http://{address}"})


# The SDK does not hand on the header that says when to come back.
STT = (Case("azure", FakeAzure, _stt, german="de-DE", says_retry_after=False),)
# Of an answer to a text it passes over what it cannot read.
_SPOKEN = {Fault.GARBAGE: frozenset[str]()}
TTS = (Case("azure", FakeAzure, _tts, codes=_SPOKEN, says_retry_after=False),)
