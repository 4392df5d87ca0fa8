"""Text to speech by Google: streamed where the voice can, a clause at a time where it cannot."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import structlog

from voice_server.errors import ProviderError
from voice_server.providers.base import AudioChunk, TtsCapabilities, Voice
from voice_server.providers.google.channel import GoogleChannel
from voice_server.providers.google.errors import google_error
from voice_server.providers.google.options import GoogleOptions
from voice_server.providers.google.verdict import Verdict
from voice_server.providers.google.voices import STREAMING, USUAL, preferred_first, read_voices
from voice_server.providers.pieces import speak_pieces
from voice_server.providers.registry import import_vendor

log = structlog.get_logger()

_RATE_HZ = 24_000
_CALL_TIMEOUT_S = 60.0
_LIST_TIMEOUT_S = 10.0


def create(options: Mapping[str, Any]) -> "GoogleTextToSpeech":
    """The entry point `voice_server.tts: google`.

    `options`: the fields of `GoogleOptions`.
    """
    return GoogleTextToSpeech(GoogleOptions.read(options))


class GoogleTextToSpeech:
    """A `TextToSpeech`. A few voices are known from the start, all of them once warm."""

    name = "google"
    title = "Google Text-to-Speech"

    def __init__(self, options: GoogleOptions) -> None:
        self._options = options
        self._channel = GoogleChannel(options, "texttospeech.googleapis.com")
        self._sdk: _Sdk | None = None
        self._has_asked_for_voices = False
        self._capabilities = TtsCapabilities(
            preferred_first(USUAL, options.voice), _RATE_HZ, has_all_voices=False
        )

    @property
    def capabilities(self) -> TtsCapabilities:
        return self._capabilities

    async def warm(self) -> None:
        await self._ready()
        if not self._has_asked_for_voices:
            await self.refresh_voices()

    async def refresh_voices(self) -> None:
        sdk = await self._ready()
        self._has_asked_for_voices = True
        try:
            voices = await sdk.voices()
        except ProviderError as error:
            # A voice may speak all the same; if not, the caller is told so.
            log.warning("the voices cannot be listed", provider=self.name, code=error.code)
        else:
            self._capabilities = TtsCapabilities(preferred_first(voices, self._options.voice), _RATE_HZ)

    async def close(self) -> None:
        self._sdk = None
        await self._channel.close()

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text`, one call for each."""
        async with aclosing(speak_pieces(text, lambda words: self._synthesise(words, voice))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _synthesise(self, words: str, voice: Voice) -> AsyncGenerator[bytes, None]:
        sdk = await self._ready()
        is_streamed = self._options.streaming and STREAMING in voice.id
        is_silent = True
        async with aclosing(sdk.stream(words, voice) if is_streamed else sdk.speak(words, voice)) as audio:
            async for pcm in audio:
                is_silent = is_silent and not pcm
                yield pcm
        if is_silent:
            raise ProviderError("Google sent no audio.", code="provider_bad_answer", stage="tts")

    async def _ready(self) -> "_Sdk":
        channel = await self._channel.open()
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(_Sdk, channel, self._channel.metadata)
        return self._sdk


class _Sdk:
    """The calls, with our errors."""

    def __init__(self, channel: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._tts = tts = import_vendor("google.cloud.texttospeech_v1", extra="google")
        grpc = import_vendor(
            "google.cloud.texttospeech_v1.services.text_to_speech.transports.grpc_asyncio", extra="google"
        )
        transport = grpc.TextToSpeechGrpcAsyncIOTransport(channel=channel)
        self._client = tts.TextToSpeechAsyncClient(transport=transport)
        self._metadata = metadata

    async def voices(self) -> tuple[Voice, ...]:
        try:
            return read_voices(
                await self._client.list_voices(retry=None, timeout=_LIST_TIMEOUT_S, metadata=self._metadata)
            )
        except Exception as error:
            raise google_error(error, "tts") from error

    async def speak(self, words: str, voice: Voice) -> AsyncGenerator[bytes, None]:
        tts = self._tts
        try:
            response = await self._client.synthesize_speech(
                input=tts.SynthesisInput(text=words),
                voice=self._selection(voice),
                audio_config=tts.AudioConfig(audio_encoding="PCM", sample_rate_hertz=_RATE_HZ),
                retry=None,
                timeout=_CALL_TIMEOUT_S,
                metadata=self._metadata,
            )
        except Exception as error:
            raise google_error(error, "tts") from error
        yield response.audio_content

    async def stream(self, words: str, voice: Voice) -> AsyncGenerator[bytes, None]:
        tts = self._tts
        config = tts.StreamingSynthesizeConfig(
            voice=self._selection(voice),
            streaming_audio_config=tts.StreamingAudioConfig(audio_encoding="PCM", sample_rate_hertz=_RATE_HZ),
        )
        call = verdict = None
        try:
            call = await self._client.streaming_synthesize(
                requests=None, retry=None, timeout=_CALL_TIMEOUT_S, metadata=self._metadata
            )
            verdict = Verdict(call)
            with suppress(Exception):  # the reader is told the truth about a failed write
                await call.write(tts.StreamingSynthesizeRequest(streaming_config=config))
                words_input = tts.StreamingSynthesisInput(text=words)
                await call.write(tts.StreamingSynthesizeRequest(input=words_input))
                await call.done_writing()
            async for response in call:
                yield response.audio_content
        except Exception as error:
            error = verdict.truth(error) if verdict is not None else error
            raise google_error(error, "tts") from error
        finally:
            if call is not None:
                call.cancel()

    def _selection(self, voice: Voice) -> Any:
        return self._tts.VoiceSelectionParams(language_code=voice.languages[0], name=voice.id)
