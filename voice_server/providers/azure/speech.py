"""Speech to text by Azure: continuous recognition with partials."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.azure.threads import Threads
from voice_server.providers.azure.utterance import Utterance
from voice_server.providers.base import SttCapabilities, SttHints

_LANGUAGES = (
    "en", "af", "am", "ar", "az", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "es", "et", "eu",
    "fa", "fi", "fil", "fr", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "jv",
    "ka", "kk", "km", "kn", "ko", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "mt", "my", "nb", "ne",
    "nl", "pa", "pl", "ps", "pt", "ro", "ru", "si", "sk", "sl", "so", "sq", "sr", "sv", "sw", "ta", "te",
    "th", "tr", "uk", "ur", "uz", "vi", "wuu", "yue", "zh", "zu",
)  # fmt: skip


def create(options: Mapping[str, Any]) -> "AzureSpeechToText":
    """The entry point `voice_server.stt: azure`.

    `options`: the fields of `AzureOptions`.
    """
    return AzureSpeechToText(AzureOptions.read(options))


class AzureSpeechToText:
    """A streaming `SpeechToText` with partials."""

    name = "azure"
    title = "Azure Speech"
    capabilities = SttCapabilities(languages=_LANGUAGES, partials=True, streaming=True)

    def __init__(self, options: AzureOptions) -> None:
        self._options = options
        self._threads = Threads("stt")

    async def warm(self) -> None:
        await self._threads.run(self._options.speech_config)

    async def close(self) -> None:
        self._threads.close()

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator[Utterance]:
        """Begin one utterance; leaving the context cancels whatever is still running."""
        utterance = Utterance(self._options, self._threads, hints.language or self._options.language)
        try:
            yield utterance
        finally:
            await utterance.leave()
