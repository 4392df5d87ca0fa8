"""Speech to text by ElevenLabs: Scribe, in real time or on whole clips."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from voice_server.core.languages import primary
from voice_server.providers.base import SpeechToText, SttCapabilities, SttHints, Transcript
from voice_server.providers.elevenlabs.client import ElevenLabsClient
from voice_server.providers.elevenlabs.errors import elevenlabs_error
from voice_server.providers.elevenlabs.options import ElevenLabsOptions
from voice_server.providers.elevenlabs.realtime import RealtimeUtterance
from voice_server.providers.elevenlabs.voices import HEARD, two_letters
from voice_server.providers.segmented import SegmentedSpeechToText

_PARTIAL_EVERY_MS = 1_000  # every partial listens to all of the utterance again, and costs as much
_REALTIME_MODEL = "scribe_v2_realtime"
_CLIP_MODEL = "scribe_v2"


def create(options: Mapping[str, Any]) -> SpeechToText:
    """The entry point `voice_server.stt: elevenlabs`.

    `options`: the fields of `ElevenLabsOptions`; the default transport is `websocket`.
    """
    found = ElevenLabsOptions.read(options)
    if found.transport == "http":
        return SegmentedSpeechToText(ScribeTranscriber(found), _PARTIAL_EVERY_MS)
    return ScribeRealtime(found)


class ScribeRealtime:
    """A streaming `SpeechToText` with partials, one WebSocket an utterance."""

    name = "elevenlabs"
    capabilities = SttCapabilities(languages=HEARD, partials=True, streaming=True)

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._model = options.model or _REALTIME_MODEL
        self.title = f"ElevenLabs {self._model}"
        self._client = ElevenLabsClient(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator[RealtimeUtterance]:
        """Begin one utterance; leaving the context cancels whatever is still running."""
        utterance = RealtimeUtterance(self._client, self._model, _scribes(hints.language))
        try:
            yield utterance
        finally:
            await utterance.leave()


class ScribeTranscriber:
    """A `Transcriber` of whole clips."""

    name = "elevenlabs"
    capabilities = SttCapabilities(languages=HEARD, detects_language=True)

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._model = options.model or _CLIP_MODEL
        self.title = f"ElevenLabs {self._model}"
        self._client = ElevenLabsClient(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        if not pcm:
            return Transcript("", hints.language)
        client = await self._client.get()
        try:
            answer = await client.speech_to_text.convert(
                model_id=self._model,
                file=("speech.pcm", pcm, "application/octet-stream"),
                file_format="pcm_s16le_16",
                language_code=_scribes(hints.language),
                tag_audio_events=False,
                # The SDK's own retry would lose the form's fields.
                request_options={"max_retries": 0},
            )
            language = hints.language or two_letters(answer.language_code)
            return Transcript(answer.text.strip(), language, _confidence(answer.words or ()))
        except Exception as error:
            raise elevenlabs_error(error, "stt") from error


def _scribes(language: str | None) -> str | None:
    """Scribe takes `de`, not `de-DE`."""
    return primary(language) if language else None


def _confidence(words: Any) -> float | None:
    logs = [word.logprob for word in words if word.type == "word" and word.logprob is not None]
    return min(1.0, math.exp(sum(logs) / len(logs))) if logs else None
