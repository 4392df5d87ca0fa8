"""One reply's voice of the native SDK, its events brought to the loop."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

from voice_server.providers.azure.errors import CancelledByAzure, azure_error, told
from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.azure.threads import Threads, hop
from voice_server.providers.registry import import_vendor

_Told = bytes | CancelledByAzure | None
"""Audio, the reason why none will come, or the end of a text."""


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

    async def speak(self, words: str) -> AsyncGenerator[bytes, None]:
        """PCM16 at 24 kHz of one text; only the last may be closed before its end."""
        try:
            await self._threads.run(lambda: self._begin(words))
            is_silent = True
            while (event := await self._told.get()) is not None:
                if isinstance(event, CancelledByAzure):
                    raise event
                is_silent = False
                yield event
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
        synthesizer.synthesis_completed.connect(lambda _: self._tell(None))
        synthesizer.synthesis_canceled.connect(lambda event: self._tell(_reason(event)))
        return synthesizer

    def _stop(self) -> None:
        with self._lock:
            synthesizer, self._synthesizer = self._synthesizer, None
        if synthesizer is not None:
            synthesizer.stop_speaking_async().get()

    def _tell(self, event: _Told) -> None:
        hop(self._loop, self._told.put_nowait, event)


def _reason(event: Any) -> CancelledByAzure:
    details = event.result.cancellation_details
    return told(details.error_code, details.error_details)
