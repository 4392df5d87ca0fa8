"""Google's voices, as ours."""

from typing import Any

from voice_server.providers.base import Voice

STREAMING = "Chirp3-HD"
"""The family of voices that Google streams; all others speak a whole text at once."""
_GENDERS = {1: "male", 2: "female"}
USUAL = (
    Voice("en-US-Chirp3-HD-Achernar", "google", "Achernar (en-US)", "female", ("en-US",)),
    Voice("en-US-Chirp3-HD-Charon", "google", "Charon (en-US)", "male", ("en-US",)),
    Voice("en-US-Neural2-C", "google", "Neural2-C (en-US)", "female", ("en-US",)),
)
"""Known before Google has been asked."""


def read_voices(response: Any) -> tuple[Voice, ...]:
    """From the answer to `list_voices`."""
    return tuple(
        Voice(
            id=voice.name,
            provider="google",
            name=_title(voice.name, tuple(voice.language_codes)),
            gender=_GENDERS.get(int(voice.ssml_gender), "neutral"),
            languages=tuple(voice.language_codes),
        )
        for voice in response.voices
        if voice.language_codes
    )


def voice_of(voice_id: str) -> Voice:
    """A voice that the operator names; Google writes the language in front."""
    language = "-".join(voice_id.split("-")[:2])
    return Voice(voice_id, "google", _title(voice_id, (language,)), "neutral", (language,))


def preferred_first(voices: tuple[Voice, ...], preferred: str | None) -> tuple[Voice, ...]:
    """With the preferred voice in front, known or not: the first is the default."""
    if preferred is None:
        return voices
    known = next((voice for voice in voices if voice.id == preferred), None) or voice_of(preferred)
    return (known, *(voice for voice in voices if voice.id != preferred))


def _title(voice_id: str, languages: tuple[str, ...]) -> str:
    language = languages[0]
    short = voice_id.removeprefix(f"{language}-").removeprefix(f"{STREAMING}-")
    return f"{short} ({language})"
