"""Speech to text on this machine: Whisper tiny.en on CTranslate2, English only."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from voice_server.audio.format import STT_RATE_HZ, duration_ms
from voice_server.errors import ModelFileError, ProviderError, VoiceServerError
from voice_server.providers.base import SttCapabilities, SttHints, Transcript
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.local.worker import Worker, default_threads
from voice_server.providers.registry import import_vendor
from voice_server.providers.segmented import SegmentedSpeechToText

_MODEL = "whisper-tiny-en"
_SHORTEST_MS = 100.0  # less holds no word, and the model invents one
_SILENCE_PEAK = 0.003  # -50 dBFS
_DOUBTFUL_NO_SPEECH = 0.3
_NO_SPEECH = 0.8
_INVENTED = frozenset({"", "you", "thank you", "thanks for watching", "thank you for watching", "bye", "so"})
"""What this model writes when it hears nobody, from the subtitles it learned from."""


def create(options: Mapping[str, Any]) -> SegmentedSpeechToText:
    """The entry point `voice_server.stt: local`.

    `options`: `weights` (a WeightStore), `threads`.
    """
    transcriber = WhisperTranscriber(
        options.get("weights") or WeightStore(), options.get("threads") or default_threads()
    )
    return SegmentedSpeechToText(transcriber)


class WhisperTranscriber:
    """A `Transcriber`. One transcription at a time, the urgent ones first."""

    name = "local"
    title = "Whisper tiny.en (this machine)"
    capabilities = SttCapabilities(languages=("en",))

    def __init__(self, weights: WeightStore, threads: int) -> None:
        self._weights = weights
        self._threads = threads
        self._worker = Worker("whisper")
        self._model: Any = None

    async def warm(self) -> None:
        if self._model is None:
            await self._worker.run(self._load)

    async def close(self) -> None:
        await self._worker.close()
        self._model = None

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        try:
            return await self._worker.run(lambda: self._transcribe(pcm), urgent=urgent)
        except VoiceServerError:
            raise
        except (RuntimeError, ValueError) as error:
            raise ProviderError("Whisper could not transcribe the audio.", stage="stt") from error

    def _load(self) -> None:
        if self._model is not None:
            return
        folder = self._weights.path(_MODEL)
        whisper = import_vendor("faster_whisper", extra="local")
        try:
            model = whisper.WhisperModel(
                str(folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=self._threads,
                local_files_only=True,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise ModelFileError(
                f"Whisper does not load from {folder}; run `voice-server models verify {_MODEL}`."
            ) from error
        # The first run allocates; nobody's first sentence should wait for it.
        self._recognise(model, np.zeros(STT_RATE_HZ, np.float32))
        self._model = model

    def _transcribe(self, pcm: bytes) -> Transcript:
        self._load()
        samples = np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)
        if duration_ms(len(pcm), STT_RATE_HZ) < _SHORTEST_MS or np.abs(samples).max() < _SILENCE_PEAK:
            return Transcript("", "en")
        segments = [segment for segment in self._recognise(self._model, samples) if not _invented(segment)]
        text = " ".join(segment.text.strip() for segment in segments).strip()
        if not text:
            return Transcript("", "en")
        tokens = sum(len(segment.tokens) for segment in segments)
        log_probability = sum(segment.avg_logprob * len(segment.tokens) for segment in segments) / tokens
        return Transcript(text, "en", confidence=min(1.0, math.exp(log_probability)))

    @staticmethod
    def _recognise(model: Any, samples: npt.NDArray[np.float32]) -> list[Any]:
        segments, _ = model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return list(segments)  # a generator: the work is done here


def _invented(segment: Any) -> bool:
    if segment.no_speech_prob >= _NO_SPEECH:
        return True
    words = segment.text.strip(" .,!?").lower()
    return segment.no_speech_prob >= _DOUBTFUL_NO_SPEECH and words in _INVENTED
