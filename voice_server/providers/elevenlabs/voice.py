"""Text to speech by ElevenLabs."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import structlog

from voice_server.errors import ProviderError
from voice_server.providers.base import AudioChunk, TtsCapabilities, Voice
from voice_server.providers.elevenlabs.client import ElevenLabsClient
from voice_server.providers.elevenlabs.contexts import speak_contexts
from voice_server.providers.elevenlabs.errors import GarbledError, elevenlabs_error
from voice_server.providers.elevenlabs.options import ElevenLabsOptions
from voice_server.providers.elevenlabs.voices import languages_of, preferred_first, read_voices, usual_voices
from voice_server.providers.pieces import speak_pieces

log = structlog.get_logger()

_MODEL = "eleven_flash_v2_5"
_RATE_HZ = 24_000
_PART_BYTES = 960  # 20 ms: the SDK waits until it has so much
_PAGE_VOICES, _MOST_PAGES = 100, 50
_NO_RETRIES = {"max_retries": 0}


def create(options: Mapping[str, Any]) -> "ElevenLabsTextToSpeech":
    """The entry point `voice_server.tts: elevenlabs`.

    `options`: the fields of `ElevenLabsOptions`; the default transport is `http`.
    """
    return ElevenLabsTextToSpeech(ElevenLabsOptions.read(options))


class ElevenLabsTextToSpeech:
    """A `TextToSpeech`. Two voices are known from the start, those of the account once warm."""

    name = "elevenlabs"

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._model = options.model or _MODEL
        self.title = f"ElevenLabs {self._model}"
        self._client = ElevenLabsClient(options)
        self._languages = languages_of(self._model)
        self._has_asked_for_voices = False
        self._capabilities = self._with_voices(usual_voices(self._languages), are_all=False)

    @property
    def capabilities(self) -> TtsCapabilities:
        return self._capabilities

    async def warm(self) -> None:
        await self._client.get()
        if not self._has_asked_for_voices:
            await self.refresh_voices()

    async def refresh_voices(self) -> None:
        client = await self._client.get()
        self._has_asked_for_voices = True
        try:
            voices = read_voices(await _all_voices(client), self._languages)
            self._capabilities = self._with_voices(voices)
        except Exception as error:
            # A key may speak without being allowed to list; if not, the caller is told so.
            code = elevenlabs_error(error, "tts").code
            log.warning("the voices cannot be listed", provider=self.name, code=code)

    async def close(self) -> None:
        await self._client.close()

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text`."""
        if self._options.transport == "websocket":
            speaking = speak_contexts(self._options, self._model, _RATE_HZ, text, voice)
        else:
            speaking = speak_pieces(text, lambda words: self._request(words, voice))
        async with aclosing(speaking) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _request(self, words: str, voice: Voice) -> AsyncGenerator[bytes, None]:
        client = await self._client.get()
        is_silent = True
        try:
            async with client.text_to_speech.with_raw_response.stream(
                voice_id=voice.id,
                text=words,
                model_id=self._model,
                output_format=f"pcm_{_RATE_HZ}",
                request_options={**_NO_RETRIES, "chunk_size": _PART_BYTES},
            ) as response:
                if not response.headers.get("content-type", "").startswith(("audio/", "application/octet")):
                    raise GarbledError("the answer is no audio")
                async for pcm in response.data:
                    is_silent = False
                    yield pcm
            if is_silent:
                raise GarbledError("the answer is empty")
        except ProviderError:
            raise
        except Exception as error:
            raise elevenlabs_error(error, "tts") from error

    def _with_voices(self, voices: tuple[Voice, ...], *, are_all: bool = True) -> TtsCapabilities:
        return TtsCapabilities(
            preferred_first(voices, self._options.voice, self._languages),
            _RATE_HZ,
            word_times=self._options.transport == "websocket",
            has_all_voices=are_all,
        )


async def _all_voices(client: Any) -> list[Any]:
    """Those of the account, page by page."""
    voices: list[Any] = []
    page: str | None = None
    for _ in range(_MOST_PAGES):
        answer = await client.voices.search(
            page_size=_PAGE_VOICES, next_page_token=page, request_options=_NO_RETRIES
        )
        voices += answer.voices
        if (page := answer.next_page_token) is None:
            break
    return voices
