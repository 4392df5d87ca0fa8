"""ElevenLabs, over both of its transports."""

from tests.wire.contract.case import KEY, Case
from voice_server.fakes.elevenlabs import FakeElevenLabs
from voice_server.providers.base import SpeechToText, TextToSpeech
from voice_server.providers.elevenlabs import speech, voice


def _options(address: str, transport: str) -> dict[str, str]:
    return {"api_key": KEY, "base_url": f"http://{address}", "transport": transport}


def _realtime(address: str) -> SpeechToText:
    return speech.create(_options(address, "websocket"))


def _clips(address: str) -> SpeechToText:
    return speech.create(_options(address, "http"))


def _http_voice(address: str) -> TextToSpeech:
    return voice.create(_options(address, "http"))


def _socket_voice(address: str) -> TextToSpeech:
    return voice.create(_options(address, "websocket"))


STT = (
    Case("elevenlabs-realtime", FakeElevenLabs, _realtime, german="de"),
    Case("elevenlabs-clips", FakeElevenLabs, _clips, german="de"),
)
TTS = (
    Case("elevenlabs-http", FakeElevenLabs, _http_voice),
    Case("elevenlabs-websocket", FakeElevenLabs, _socket_voice),
)
