"""OpenAI, and a compatible server under another name."""

from collections.abc import Callable
from typing import Any

from tests.wire.contract.case import KEY, Case
from voice_server.fakes.openai import FakeOpenAi
from voice_server.providers.base import SpeechToText
from voice_server.providers.openai import llm, stt, tts
from voice_server.providers.openai.llm import OpenAiLanguageModel
from voice_server.providers.openai.tts import OpenAiTextToSpeech


def options(address: str, **more: Any) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": f"http://{address}/v1", **more}


def make_llm(**more: Any) -> Callable[[str], OpenAiLanguageModel]:
    return lambda address: llm.create(options(address, **more))


def make_stt(**more: Any) -> Callable[[str], SpeechToText]:
    return lambda address: stt.create(options(address, **more))


def make_tts(address: str) -> OpenAiTextToSpeech:
    return tts.create(options(address))


LLM = (
    Case("openai", FakeOpenAi, make_llm()),
    Case("openai-compatible", FakeOpenAi, make_llm(name="vllm", model="qwen3-8b")),
)
STT = (
    Case("openai-http", FakeOpenAi, make_stt(transport="http"), german="de"),
    Case("openai-compatible", FakeOpenAi, make_stt(name="speaches", stt_model="whisper-1"), german="de"),
    Case("openai-realtime", FakeOpenAi, make_stt(transport="realtime"), german="de"),
)
TTS = (Case("openai", FakeOpenAi, make_tts),)
