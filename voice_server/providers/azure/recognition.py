"""One continuous recognition of the native SDK, its events brought to the loop."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voice_server.audio.format import STT_RATE_HZ
from voice_server.providers.azure.errors import CancelledByAzure, told
from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.azure.threads import hop
from voice_server.providers.registry import import_vendor

_TICKS_PER_MS = 10_000


@dataclass(frozen=True, slots=True)
class Supposed:
    """What the present phrase may be; replaces the one before."""

    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase, for good, or a silence. `end_ms`: up to where in the audio nothing more will be told."""

    text: str
    end_ms: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Over:
    """The recognition has ended; `error` is why, None after `finish`."""

    error: CancelledByAzure | None


Told = Supposed | Phrase | Over


class Recognition:
    """`tell` is called on the loop, never after `stop`. `begin` and `stop` block: call them on a thread."""

    def __init__(self, options: AzureOptions, language: str, tell: Callable[[Told], None]) -> None:
        self._options = options
        self._language = language
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # a stop may overtake the beginning
        self._is_left = False
        self._recognizer: Any = None
        self._stream: Any = None

    def begin(self) -> None:
        """Connect, and listen to what is written."""
        speech = import_vendor("azure.cognitiveservices.speech", extra="azure")
        config = self._options.speech_config()
        config.speech_recognition_language = self._language
        config.output_format = speech.OutputFormat.Detailed  # it has the confidence
        # A clip comes faster than it was spoken; the SDK would hold it back to twice that.
        config.set_property_by_name("SPEECH-TransmitLengthBeforeThrottleMs", "600000")
        # Who stops has heard enough; the SDK would hold the connection for ten seconds to hear more.
        config.set_property_by_name("SPEECH-StopRecognitionTimeoutInSeconds", "0")
        form = speech.audio.AudioStreamFormat(STT_RATE_HZ, 16, 1)
        with self._lock:
            if self._is_left:
                return
            self._stream = speech.audio.PushAudioInputStream(form)
            source = speech.audio.AudioConfig(stream=self._stream)
            self._recognizer = recognizer = speech.SpeechRecognizer(config, source)
            recognizer.recognizing.connect(lambda event: self._hop(Supposed(event.result.text)))
            recognizer.recognized.connect(lambda event: self._hop(_phrase(event.result)))
            recognizer.canceled.connect(self._cancelled)
            recognizer.session_stopped.connect(lambda _: self._hop(Over(None)))
            recognizer.start_continuous_recognition_async()

    def write(self, pcm: bytes) -> None:
        """More audio; it is kept until it can be sent."""
        self._stream.write(pcm)

    def finish(self) -> None:
        """No more audio comes: everything becomes final, then it is over."""
        self._stream.close()

    def leave(self) -> None:
        """From now on nothing is told. On the loop, at once."""
        self._is_left = True

    def stop(self) -> None:
        """Drop the connection and free everything."""
        with self._lock:
            self._is_left = True
            recognizer, self._recognizer = self._recognizer, None
        if recognizer is not None:
            recognizer.stop_continuous_recognition_async().get()

    def _hop(self, event: Told) -> None:
        hop(self._loop, self._arrive, event)

    def _arrive(self, event: Told) -> None:
        if not self._is_left:
            self._tell(event)

    def _cancelled(self, event: Any) -> None:
        details = event.cancellation_details
        if details.reason.name == "Error":  # the end of the stream is told so too
            self._hop(Over(told(details.code, details.error_details)))


def _phrase(result: Any) -> Phrase:
    try:
        confidence = float(json.loads(result.json)["NBest"][0]["Confidence"])
    except (ValueError, LookupError, TypeError):
        confidence = None
    return Phrase(result.text, (result.offset + result.duration) / _TICKS_PER_MS, confidence)
