"""The languages that OpenAI's models of speech understand and speak, as BCP 47 tags."""

import re
from collections.abc import Sequence
from typing import Any

from voice_server.core.languages import primary
from voice_server.providers.base import SttHints

_TAKES_SEVERAL = re.compile(r"^gpt-(live-)?transcribe")
"""Models that have given up the field `language` for a list of what may be spoken."""
_TELLS_LANGUAGE = re.compile(r"^gpt-transcribe")
"""Models that say which language they heard."""

# fmt: off
LANGUAGES = (
    "en", "af", "ar", "az", "be", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "es", "et", "fa",
    "fi", "fr", "gl", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "kk", "kn", "ko", "lt",
    "lv", "mi", "mk", "mr", "ms", "ne", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv",
    "sw", "ta", "th", "tl", "tr", "uk", "ur", "vi", "zh",
)
# fmt: on


def language_fields(model: str, hints: SttHints) -> dict[str, Any]:
    """How the hint is given to this model; nothing where there is none."""
    if hints.languages and _TAKES_SEVERAL.match(model):
        return {"languages": list(dict.fromkeys(primary(tag) for tag in hints.languages))}
    if not hints.language:
        return {}
    language = primary(hints.language)
    return {"languages": [language]} if _TAKES_SEVERAL.match(model) else {"language": language}


def detects_language(model: str) -> bool:
    """Whether the model says which language it heard."""
    return _TELLS_LANGUAGE.match(model) is not None


def heard_language(hints: SttHints, codes: Sequence[str]) -> str | None:
    """The hint, or else the first language that was found in the speech."""
    return hints.language or (codes[0] if codes else None)
