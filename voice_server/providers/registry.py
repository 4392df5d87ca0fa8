"""Providers by role and name, through entry points: ours use the same door as anyone's.

A package offers one by an entry point in the group `voice_server.stt`, `voice_server.llm`,
`voice_server.tts` or `voice_server.embeddings` that names a factory,
`create(options: Mapping[str, Any]) -> provider`. Nothing of a provider is imported before it is named.
"""

import importlib
import re
from collections.abc import Mapping
from importlib import metadata
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, overload

from voice_server.errors import ConfigurationError
from voice_server.providers.base import Embeddings, LanguageModel, SpeechToText, TextToSpeech

Role = Literal["stt", "llm", "tts", "embeddings"]

_DISTRIBUTION = "voice-server"
_EXTRA_PACKAGE = re.compile(r"^([\w.-]+).*\bextra *== *['\"]([\w-]+)['\"]")


def known(role: Role) -> tuple[str, ...]:
    """The names one may ask `load` for, sorted."""
    return tuple(sorted(_offers(role)))


@overload
def load(role: Literal["stt"], name: str, options: Mapping[str, Any]) -> SpeechToText: ...
@overload
def load(role: Literal["llm"], name: str, options: Mapping[str, Any]) -> LanguageModel: ...
@overload
def load(role: Literal["tts"], name: str, options: Mapping[str, Any]) -> TextToSpeech: ...
@overload
def load(role: Literal["embeddings"], name: str, options: Mapping[str, Any]) -> Embeddings: ...


def load(
    role: Role, name: str, options: Mapping[str, Any]
) -> SpeechToText | LanguageModel | TextToSpeech | Embeddings:
    """Import and make a provider. It is not warm yet.

    Raises:
        ConfigurationError: nobody offers that name, or a package that it needs is not installed.
    """
    offers = _offers(role)
    if name not in offers:
        raise ConfigurationError(
            f"there is no {role} provider {name!r}; known are {', '.join(sorted(offers)) or 'none'}."
        )
    if missing := missing_packages(name):
        raise ConfigurationError(
            f"the provider {name!r} needs packages that are not installed ({', '.join(missing)}); run "
            f"`pip install 'voice-server[{name}]'`."
        )
    try:
        factory = offers[name].load()
    except ImportError as error:
        raise _not_installed(error, extra=name) from error
    provider: SpeechToText | LanguageModel | TextToSpeech | Embeddings = factory(options)
    return provider


def import_vendor(module: str, *, extra: str) -> Any:
    """Import a vendor's library when it is first needed.

    Raises:
        ConfigurationError: it is not installed; the sentence names our extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _not_installed(error, extra=extra) from error


def missing_packages(extra: str) -> list[str]:
    """The packages of one of our extras that are not installed."""
    requirements = (_EXTRA_PACKAGE.match(line) for line in metadata.requires(_DISTRIBUTION) or [])
    names = [found[1] for found in requirements if found and found[2] == extra]
    return [name for name in names if not any(metadata.distributions(name=name))]


def _offers(role: Role) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"voice_server.{role}")}


def _not_installed(error: ImportError, extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"the provider {extra!r} needs a package that is not installed or does not load here ({error}); "
        f"run `pip install 'voice-server[{extra}]'`."
    )
