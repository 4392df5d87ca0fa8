"""Speech to text by Google: one utterance is one call, or several where a call would grow too long."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from voice_server.providers.base import SttCapabilities, SttHints
from voice_server.providers.google.channel import GoogleChannel
from voice_server.providers.google.options import GoogleOptions
from voice_server.providers.google.recognizer import Recognizer, make_recognizer
from voice_server.providers.google.utterance import Utterance

_LANGUAGES = (
    "en", "af", "am", "ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "es", "et", "eu", "fa", "fi",
    "fil", "fr", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "jv", "ka", "km", "kn",
    "ko", "lo", "lt", "lv", "ml", "mr", "ms", "my", "ne", "nl", "no", "pl", "pt", "ro", "ru", "si", "sk",
    "sl", "sq", "sr", "su", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "yue", "zh", "zu",
)  # fmt: skip


def create(options: Mapping[str, Any]) -> "GoogleSpeechToText":
    """The entry point `voice_server.stt: google`.

    `options`: the fields of `GoogleOptions`.
    """
    return GoogleSpeechToText(GoogleOptions.read(options))


class GoogleSpeechToText:
    """A streaming `SpeechToText` with partials."""

    name = "google"
    capabilities = SttCapabilities(languages=_LANGUAGES, partials=True, streaming=True, detects_language=True)

    def __init__(self, options: GoogleOptions) -> None:
        self.title = f"Google Speech-to-Text {options.version}"
        self._options = options
        self._channel = GoogleChannel(options, "speech.googleapis.com")
        self._recognizer: Recognizer | None = None

    async def warm(self) -> None:
        await self._ready()

    async def close(self) -> None:
        self._recognizer = None
        await self._channel.close()

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator[Utterance]:
        """Begin one utterance; leaving the context cancels whatever is still running."""
        utterance = Utterance(
            self._ready,
            hints.languages or (hints.language or self._options.language,),
            self._options.rotate_after_s,
        )
        try:
            yield utterance
        finally:
            await utterance.leave()

    async def _ready(self) -> Recognizer:
        channel = await self._channel.open()
        if self._recognizer is None:
            # The SDK takes a quarter of a second to import, and talks must not stutter meanwhile.
            self._recognizer = await asyncio.to_thread(
                make_recognizer, channel, self._options, self._channel.metadata
            )
        return self._recognizer
