"""Speech of PCM, streamed as it is made."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from voice_server.providers.base import AudioChunk, TtsCapabilities, Voice
from voice_server.providers.openai.client import openai_client
from voice_server.providers.openai.errors import failures, openai_error
from voice_server.providers.openai.languages import LANGUAGES
from voice_server.providers.openai.options import OpenAiOptions
from voice_server.providers.pieces import speak_pieces

DEFAULT_MODEL = "gpt-4o-mini-tts"
_RATE_HZ = 24_000
_GENDERS = {
    "alloy": "neutral",
    "ash": "male",
    "ballad": "male",
    "cedar": "male",
    "coral": "female",
    "echo": "male",
    "fable": "neutral",
    "marin": "female",
    "nova": "female",
    "onyx": "male",
    "sage": "female",
    "shimmer": "female",
    "verse": "male",
}
_NOT_OF_TTS_1 = frozenset({"ballad", "cedar", "marin", "verse"})
_NO_SOUND = ("text/", "application/json")


def create(options: Mapping[str, Any]) -> "OpenAiTextToSpeech":
    """The entry point `voice_server.tts: openai`. `options`: the fields of `OpenAiOptions`."""
    return OpenAiTextToSpeech(OpenAiOptions.read(options))


class OpenAiTextToSpeech:
    """A `TextToSpeech`: one request a piece."""

    def __init__(self, options: OpenAiOptions) -> None:
        self.name = options.name
        self.model = options.tts_model or DEFAULT_MODEL
        self.title = f"{options.title} {self.model}"
        self.capabilities = TtsCapabilities(_voices(options, self.model), _RATE_HZ)
        self._options = options
        self._client = openai_client(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text` as they come; closing the generator closes the request under way."""
        return speak_pieces(text, lambda words: self._synthesise(words, voice))

    async def _synthesise(self, words: str, voice: Voice) -> AsyncGenerator[bytes, None]:
        client = await self._client.get()
        arguments = {"model": self.model, "voice": voice.id, "input": words, "response_format": "pcm"}
        if self._options.instructions is not None:
            arguments["instructions"] = self._options.instructions
        has_sound = False
        try:
            async with client.audio.speech.with_streaming_response.create(**arguments) as response:
                if response.headers.get("content-type", "").startswith(_NO_SOUND):
                    raise ValueError("not audio")  # it would be heard as noise
                async for pcm in response.iter_bytes():
                    has_sound = has_sound or bool(pcm)
                    yield pcm
            if not has_sound:
                raise ValueError("no audio")
        except failures() as error:
            raise openai_error(error, "tts", self._options) from error


def _voices(options: OpenAiOptions, model: str) -> tuple[Voice, ...]:
    known = [one for one in _GENDERS if not (model.startswith("tts-1") and one in _NOT_OF_TTS_1)]
    ids = dict.fromkeys([*([options.voice] if options.voice else []), *(options.voices or known)])
    return tuple(
        Voice(one, options.name, one.capitalize(), _GENDERS.get(one, "neutral"), LANGUAGES) for one in ids
    )
