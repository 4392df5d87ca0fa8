"""A chain for each provider: itself first, then the others in the order of the settings."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from voice_server.providers.base import LanguageModel, Provider, SpeechToText, TextToSpeech
from voice_server.providers.resilient.guard import Guard
from voice_server.providers.resilient.llm import LanguageModelChain
from voice_server.providers.resilient.phrases import Phrases
from voice_server.providers.resilient.policy import Policy, Role
from voice_server.providers.resilient.stt import SpeechToTextChain
from voice_server.providers.resilient.tts import TextToSpeechChain

P = TypeVar("P", bound=Provider)

MostCalls = Callable[[str], int | None]
"""How many calls a provider of this name takes at once; None is any number."""


def stt_chains(
    providers: Sequence[SpeechToText], policy: Policy, most_calls: MostCalls
) -> list[SpeechToTextChain]:
    """Each recogniser with the others behind it."""
    return [SpeechToTextChain("stt", one, policy) for one in _orders(providers, "stt", policy, most_calls)]


def llm_chains(
    providers: Sequence[LanguageModel], policy: Policy, most_calls: MostCalls
) -> list[LanguageModelChain]:
    """Each model with the others behind it."""
    return [LanguageModelChain("llm", one, policy) for one in _orders(providers, "llm", policy, most_calls)]


def tts_chains(
    providers: Sequence[TextToSpeech], policy: Policy, most_calls: MostCalls, phrases: Phrases
) -> list[TextToSpeechChain]:
    """Each voice with the others behind it."""
    orders = _orders(providers, "tts", policy, most_calls)
    return [TextToSpeechChain("tts", one, policy, phrases) for one in orders]


def _orders(
    providers: Sequence[P], role: Role, policy: Policy, most_calls: MostCalls
) -> list[list[Guard[P]]]:
    guards = [Guard(one, role, policy, most_calls(one.name)) for one in providers]
    return [[guard, *(other for other in guards if other is not guard)] for guard in guards]
