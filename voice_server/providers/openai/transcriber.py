"""Recognition of whole clips over HTTP."""

from typing import Any

from voice_server.audio.format import STT_RATE_HZ, duration_ms
from voice_server.audio.wav import wav_header
from voice_server.providers.base import SttCapabilities, SttHints, Transcript
from voice_server.providers.openai.client import openai_client
from voice_server.providers.openai.errors import failures, openai_error
from voice_server.providers.openai.languages import (
    LANGUAGES,
    detects_language,
    heard_language,
    language_fields,
)
from voice_server.providers.openai.options import OpenAiOptions

DEFAULT_MODEL = "gpt-transcribe"
SHORTEST_MS = 100
"""The vendor refuses less."""


class OpenAiTranscriber:
    """A `Transcriber`. Calls do not wait for each other: the vendor has many hands."""

    def __init__(self, options: OpenAiOptions) -> None:
        self.name = options.name
        self.model = options.stt_model or DEFAULT_MODEL
        self.capabilities = SttCapabilities(
            languages=LANGUAGES, detects_language=detects_language(self.model)
        )
        self.title = f"{options.title} {self.model}"
        self._options = options
        self._client = openai_client(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        """Recognise a clip; one shorter than 100 ms holds no word and is not sent."""
        if duration_ms(len(pcm), STT_RATE_HZ) < SHORTEST_MS:
            return Transcript("", hints.language)
        client = await self._client.get()
        arguments: dict[str, Any] = {
            "model": self.model,
            "file": ("speech.wav", wav_header(STT_RATE_HZ, len(pcm)) + pcm, "audio/wav"),
            "response_format": "json",
            **language_fields(self.model, hints),
        }
        try:
            answer = await client.audio.transcriptions.create(**arguments)
            text = answer.text.strip()
            found = [one.code for one in getattr(answer, "languages", None) or ()]
        except failures() as error:
            raise openai_error(error, "stt", self._options) from error
        return Transcript(text, heard_language(hints, found))
