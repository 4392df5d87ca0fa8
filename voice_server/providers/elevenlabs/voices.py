"""ElevenLabs' voices and languages, as ours."""

from collections.abc import Iterable
from typing import Any

from voice_server.providers.base import Voice

SPOKEN = (
    "en", "ar", "bg", "cs", "da", "de", "el", "es", "fi", "fil", "fr", "hi", "hr", "hu", "id", "it", "ja",
    "ko", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sv", "ta", "tr", "uk", "vi", "zh",
)  # fmt: skip
"""What the multilingual models speak, with any voice."""
HEARD = (
    *SPOKEN,
    "af", "az", "be", "bn", "bs", "ca", "et", "fa", "gl", "gu", "he", "hy", "is", "ka", "kk", "kn", "lt",
    "lv", "mk", "ml", "mr", "ne", "pa", "sl", "sr", "sw", "te", "th", "ur", "cy", "yue",
)  # fmt: skip
"""What Scribe understands well."""
_TWO_LETTERS = {
    "eng": "en", "ara": "ar", "bul": "bg", "ces": "cs", "dan": "da", "deu": "de", "ell": "el",
    "spa": "es", "fin": "fi", "fra": "fr", "hin": "hi", "hrv": "hr", "hun": "hu", "ind": "id",
    "ita": "it", "jpn": "ja", "kor": "ko", "msa": "ms", "nld": "nl", "nor": "no", "pol": "pl",
    "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "swe": "sv", "tam": "ta", "tur": "tr",
    "ukr": "uk", "vie": "vi", "zho": "zh", "cmn": "zh", "afr": "af", "aze": "az", "bel": "be",
    "ben": "bn", "bos": "bs", "cat": "ca", "est": "et", "fas": "fa", "glg": "gl", "guj": "gu",
    "heb": "he", "hye": "hy", "isl": "is", "kat": "ka", "kaz": "kk", "kan": "kn", "lit": "lt",
    "lav": "lv", "mkd": "mk", "mal": "ml", "mar": "mr", "nep": "ne", "pan": "pa", "slv": "sl",
    "srp": "sr", "swa": "sw", "tel": "te", "tha": "th", "urd": "ur", "cym": "cy",
}  # fmt: skip
_ENGLISH_MODELS = frozenset({"eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1"})


def languages_of(model: str) -> tuple[str, ...]:
    """What a model speaks."""
    return ("en",) if model in _ENGLISH_MODELS else SPOKEN


def two_letters(language: str | None) -> str | None:
    """`de` of `deu`: Scribe answers in ISO 639-3, BCP 47 wants the shortest code."""
    return None if language is None else _TWO_LETTERS.get(language, language)


def usual_voices(languages: tuple[str, ...]) -> tuple[Voice, ...]:
    """Known before ElevenLabs has been asked: those that every account has."""
    return (
        Voice("21m00Tcm4TlvDq8ikWAM", "elevenlabs", "Rachel", "female", languages),
        Voice("JBFqnCBsd6RMkjVDRZzb", "elevenlabs", "George", "male", languages),
    )


def read_voices(voices: Iterable[Any], languages: tuple[str, ...]) -> tuple[Voice, ...]:
    """From the answer to a search; `languages` are those of the model."""
    return tuple(
        Voice(voice.voice_id, "elevenlabs", voice.name or voice.voice_id, _gender(voice), languages)
        for voice in voices
    )


def preferred_first(
    voices: tuple[Voice, ...], preferred: str | None, languages: tuple[str, ...]
) -> tuple[Voice, ...]:
    """With the preferred voice in front, known or not: the first is the default."""
    if preferred is None:
        return voices
    unknown = Voice(preferred, "elevenlabs", preferred, "neutral", languages)
    known = next((voice for voice in voices if voice.id == preferred), unknown)
    return (known, *(voice for voice in voices if voice.id != preferred))


def _gender(voice: Any) -> str:
    gender = (voice.labels or {}).get("gender")
    return gender if gender in ("female", "male") else "neutral"
