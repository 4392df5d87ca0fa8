"""Anthropic."""

from tests.wire.contract.case import KEY, Case
from voice_server.fakes.anthropic import FakeAnthropic
from voice_server.providers.anthropic import llm
from voice_server.providers.anthropic.llm import AnthropicLanguageModel


def make(address: str) -> AnthropicLanguageModel:
    return llm.create({"api_key": KEY, "base_url": f"http://{address}"})


LLM = (Case("anthropic", FakeAnthropic, make),)
