"""Who can stand in for whom: in the same language, and in a voice like the one that was chosen."""

from collections.abc import Sequence

from voice_server.core.languages import serves
from voice_server.providers.base import Voice


def voice_like(wished: Voice, voices: Sequence[Voice]) -> Voice | None:
    """The wished-for voice itself, or the one most like it that speaks its (first) language, if any does."""
    for voice in voices:
        if voice.id == wished.id and voice.provider == wished.provider:
            return voice
    alike = [voice for voice in voices if serves(voice.languages, wished.languages[0])]
    return next((voice for voice in alike if voice.gender == wished.gender), alike[0] if alike else None)
