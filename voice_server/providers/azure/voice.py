"""Text to speech by Azure."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import structlog

from voice_server.providers.azure.errors import CancelledByAzure, azure_error
from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.azure.synthesis import Synthesis
from voice_server.providers.azure.threads import Threads
from voice_server.providers.base import AudioChunk, TtsCapabilities, Voice
from voice_server.providers.pieces import speak_pieces
from voice_server.providers.registry import import_vendor

log = structlog.get_logger()

_RATE_HZ = 24_000
_USUAL = (
    Voice("en-US-AvaMultilingualNeural", "azure", "Ava (en-US)", "female", ("en-US",)),
    Voice("en-US-AndrewMultilingualNeural", "azure", "Andrew (en-US)", "male", ("en-US",)),
)
"""Known before Azure has been asked."""


def create(options: Mapping[str, Any]) -> "AzureTextToSpeech":
    """The entry point `voice_server.tts: azure`.

    `options`: the fields of `AzureOptions`.
    """
    return AzureTextToSpeech(AzureOptions.read(options))


class AzureTextToSpeech:
    """A `TextToSpeech`. Two voices are known from the start, all of the region's once warm."""

    name = "azure"
    title = "Azure Speech"

    def __init__(self, options: AzureOptions) -> None:
        self._options = options
        self._threads = Threads("tts")
        self._has_asked_for_voices = False
        self._capabilities = self._with_voices(_USUAL, are_all=False)

    @property
    def capabilities(self) -> TtsCapabilities:
        return self._capabilities

    async def warm(self) -> None:
        if not self._has_asked_for_voices:
            await self.refresh_voices()

    async def refresh_voices(self) -> None:
        self._has_asked_for_voices = True
        try:
            self._capabilities = self._with_voices(await self._threads.run(self._list))
        except (CancelledByAzure, RuntimeError) as error:
            # A voice may speak all the same; if not, the caller is told so.
            code = azure_error(error, "tts").code
            log.warning("the voices cannot be listed", provider=self.name, code=code)

    async def close(self) -> None:
        self._threads.close()

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text`."""
        synthesis = Synthesis(self._options, self._threads, voice.id)
        try:
            async with aclosing(speak_pieces(text, synthesis.speak)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            synthesis.leave()

    def _list(self) -> tuple[Voice, ...]:
        speech = import_vendor("azure.cognitiveservices.speech", extra="azure")
        answer = (
            speech.SpeechSynthesizer(self._options.speech_config(), audio_config=None)
            .get_voices_async()
            .get()
        )
        if not answer.voices:
            raise CancelledByAzure("ConnectionFailure", answer.error_details)
        return tuple(
            Voice(
                voice.short_name,
                self.name,
                f"{voice.local_name} ({voice.locale})",
                _gender(voice),
                (voice.locale,),
            )
            for voice in answer.voices
        )

    def _with_voices(self, voices: tuple[Voice, ...], *, are_all: bool = True) -> TtsCapabilities:
        if (preferred := self._options.voice) is not None:
            language = "-".join(preferred.split("-")[:2])
            unknown = Voice(preferred, "azure", preferred, "neutral", (language,))
            known = next((voice for voice in voices if voice.id == preferred), unknown)
            voices = (known, *(voice for voice in voices if voice.id != preferred))
        return TtsCapabilities(voices, _RATE_HZ, word_times=True, has_all_voices=are_all)


def _gender(voice: Any) -> str:
    gender = str(voice.gender.name).lower()
    return gender if gender in ("female", "male") else "neutral"
