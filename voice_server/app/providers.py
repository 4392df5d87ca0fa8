"""Which providers there are, which of them a session has, and who follows whom when one fails."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from voice_server.app.limits import chain_policy
from voice_server.core import wire
from voice_server.core.policy import TurnPolicy
from voice_server.errors import ConfigurationError
from voice_server.providers import registry
from voice_server.providers.base import Embeddings, Voice
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.resilient.chains import llm_chains, stt_chains, tts_chains
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.choice import Catalogue, Choice
from voice_server.settings import Role, Settings

log = structlog.get_logger()


def load_catalogue(settings: Settings) -> Catalogue:
    """The providers that the settings name; none is warm yet.

    Raises:
        ConfigurationError: a provider nobody offers, whose package is not installed, or that lacks a setting.
    """
    return Catalogue(
        stt=[registry.load("stt", name, provider_options(settings, "stt", name)) for name in settings.stt],
        llm=[registry.load("llm", name, provider_options(settings, "llm", name)) for name in settings.llm],
        tts=[registry.load("tts", name, provider_options(settings, "tts", name)) for name in settings.tts],
        strict=settings.strict,
        detectable=settings.languages,
    )


def provider_options(settings: Settings, role: Role, name: str) -> Mapping[str, Any]:
    """What a provider's factory is given: all get the `language`, each its own table, `local` the weights."""
    if name == "local":
        return {
            "weights": WeightStore(settings.models_dir),
            "model": settings.llm_model,
            "warm_prompt": settings.system_prompt,
            "partial_every_ms": settings.partial_every_ms,
        }
    return {"language": settings.language, **settings.vendors.options_for(role, name)}


def load_embeddings(settings: Settings) -> Embeddings | None:
    """What tells texts' meanings, if the settings want it; it is not warm yet.

    Raises:
        ConfigurationError: as `load_catalogue`. Packages that the usual one needs may be absent.
    """
    name = settings.embeddings
    if not name:
        return None
    if name == "local" and (missing := registry.missing_packages(name)):
        log.warning("search by words alone: embeddings need more packages", missing=missing)
        return None
    return registry.load("embeddings", name, provider_options(settings, "embeddings", name))


def default_choice(settings: Settings, catalogue: Catalogue) -> Choice:
    """What a session uses that wishes for nothing.

    Raises:
        ConfigurationError: the voice that somebody chose is not among the providers' voices.
    """
    voice = default_voice(settings, catalogue)
    turns = settings.turn_detection
    return Choice(
        stt=catalogue.stt[0],
        llm=catalogue.llm[0],
        tts=next(tts for tts in catalogue.tts if tts.name == voice.provider),
        voice=voice,
        language=settings.language,
        prompt_language=settings.language,
        system_prompt=settings.system_prompt,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        policy=TurnPolicy(wire.TurnMode(turns.mode), turns.silence_ms, turns.interrupt, turns.early_starts),
        vad_threshold=turns.threshold,
        prefix_ms=turns.prefix_ms,
    )


def default_voice(settings: Settings, catalogue: Catalogue) -> Voice:
    """The voice of the settings; while nobody has chosen one, it is of the provider that is used.

    Raises:
        ConfigurationError: the voice that somebody chose is not among the providers' voices.
    """
    own = catalogue.tts[0].capabilities.voices
    within = catalogue.voices if settings.has_chosen_voice else own
    if voice := next((one for one in within if one.id == settings.tts_voice), None):
        return voice
    if not settings.has_chosen_voice:
        return own[0]
    known = ", ".join(one.id for one in catalogue.voices)
    raise ConfigurationError(
        f"tts_voice is {settings.tts_voice!r}, but the voices are: {known}. Choose one of them, or name "
        "any voice of a vendor in that vendor's own table, such as VOICE_SERVER_VENDORS__ELEVENLABS__VOICE."
    )


def chained(
    settings: Settings, catalogue: Catalogue, default: Choice, phrases: Phrases | None
) -> tuple[Catalogue, Choice]:
    """The same with each provider followed by the others of its role, for when it fails."""
    policy, most_calls = chain_policy(settings), settings.vendors.most_calls
    stt = stt_chains(catalogue.stt, policy, most_calls)
    llm = llm_chains(catalogue.llm, policy, most_calls)
    tts = tts_chains(catalogue.tts, policy, most_calls, phrases or Phrases())
    return replace(catalogue, stt=stt, llm=llm, tts=tts), replace(
        default,
        stt=next(one for one in stt if one.first is default.stt),
        llm=next(one for one in llm if one.first is default.llm),
        tts=next(one for one in tts if one.first is default.tts),
    )
