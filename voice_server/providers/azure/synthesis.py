"""One reply's voice of the native SDK, its events brought to the loop."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, assert_never

from voice_server.providers.azure.errors import CancelledByAzure, azure_error, told
from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.azure.threads import Threads, hop
from voice_server.providers.base import Marks
from voice_server.providers.pieces import token_end
from voice_server.providers.registry import import_vendor

_TICKS_PER_MS = 10_000


@dataclass(frozen=True, slots=True)
class _Word:
    """When a word has been spoken, and up to where in its text it goes."""

    text_id: str
    end_ms: float
    end: int


@dataclass(frozen=True, slots=True)
class _Over:
    """The end of a text."""

    text_id: str


_Told = bytes | _Word | _Over | CancelledByAzure
"""Audio, or what is told about it; an error: none will come."""


class Synthesis:
    """Speaks one text after the other over one connection. `leave` it at the end."""

    def __init__(self, options: AzureOptions, threads: Threads, voice_id: str) -> None:
        self._options = options
        self._threads = threads
        self._voice_id = voice_id
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[_Told] = asyncio.Queue()  # at most the audio of one clause
        self._lock = threading.Lock()  # a stop may overtake the beginning
        self._is_left = False
        self._synthesizer: Any = None
        self._speaking: Any = None
        self._text_id = ""  # of the text before

    async def speak(self, words: str) -> AsyncGenerator[bytes | Marks, None]:
        """PCM16 at 24 kHz of one text, and where its words end. Only the last may be closed too early."""
        try:
            await self._threads.run(lambda: self._begin(words))
            is_silent = True
            while True:
                match await self._told.get():
                    case bytes() as pcm:
                        is_silent = False
                        yield pcm
                    case _Word(text_id, end_ms, end):
                        if text_id != self._text_id:  # the SDK's threads overtake each other
                            yield ((end_ms, token_end(words, end)),)
                    case _Over(text_id):
                        self._text_id = text_id
                        break
                    case CancelledByAzure() as error:
                        raise error
                    case never:
                        assert_never(never)
            if is_silent:
                raise CancelledByAzure("ServiceError", "Invalid response: no audio")
        except CancelledByAzure as error:
            raise azure_error(error, "tts") from error
        except RuntimeError as error:  # the native core's
            raise azure_error(error, "tts") from error

    def leave(self) -> None:
        """Nothing more is told; the SDK stops on a thread, and nobody waits for it."""
        self._is_left = True
        self._threads.later(self._stop)

    def _begin(self, words: str) -> None:
        with self._lock:
            if self._is_left:
                return
            if self._synthesizer is None:
                self._synthesizer = self._make()
            self._speaking = self._synthesizer.start_speaking_text_async(words)

    def _make(self) -> Any:
        speech = import_vendor("azure.cognitiveservices.speech", extra="azure")
        config = self._options.speech_config()
        config.speech_synthesis_voice_name = self._voice_id
        config.set_speech_synthesis_output_format(speech.SpeechSynthesisOutputFormat.Raw24Khz16BitMonoPcm)
        synthesizer = speech.SpeechSynthesizer(config, audio_config=None)
        synthesizer.synthesizing.connect(lambda event: self._tell(event.result.audio_data))
        synthesizer.synthesis_word_boundary.connect(lambda event: self._tell(_word(event)))
        synthesizer.synthesis_completed.connect(lambda event: self._tell(_Over(event.result.result_id)))
        synthesizer.synthesis_canceled.connect(lambda event: self._tell(_reason(event)))
        return synthesizer

    def _stop(self) -> None:
        with self._lock:
            synthesizer, self._synthesizer = self._synthesizer, None
        if synthesizer is not None:
            synthesizer.stop_speaking_async().get()

    def _tell(self, event: _Told) -> None:
        hop(self._loop, self._told.put_nowait, event)


def _word(event: Any) -> _Word:
    end_ms = event.audio_offset / _TICKS_PER_MS + event.duration.total_seconds() * 1000
    return _Word(event.result_id, end_ms, event.text_offset + event.word_length)


def _reason(event: Any) -> CancelledByAzure:
    details = event.result.cancellation_details
    return told(details.error_code, details.error_details)
