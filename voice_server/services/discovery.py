"""What a client may choose from, as it really is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from voice_server.providers.base import Provider, Voice

LANGUAGE_NAMES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "hi": "Hindi",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
    "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Discovery:
    """The configured providers, voices and languages.

    Voices and languages are asked for each time: a vendor's are known only once it is warm. `status` is by
    stage and provider: `ok`, or `troubled` while it fails and is left alone.
    """

    stt: Sequence[Provider]
    tts: Sequence[Provider]
    voices: Callable[[], Sequence[Voice]]
    languages: Callable[[], Sequence[str]]
    status: Callable[[], Mapping[str, Mapping[str, str]]]
    default_voice: Voice
    language: str

    @property
    def named_languages(self) -> list[tuple[str, str]]:
        """Codes with names that people read."""
        return [(tag, _name(tag)) for tag in self.languages()]


def _name(tag: str) -> str:
    primary, _, region = tag.partition("-")
    name = LANGUAGE_NAMES.get(primary.lower(), primary)
    return f"{name} ({region})" if region else name
