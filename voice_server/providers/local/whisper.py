"""Speech to text on this machine: Whisper tiny.en on CTranslate2, English only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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

_Samples = npt.NDArray[np.float32]

_MODEL = "whisper-tiny-en"
_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 15, 30
_QUIET_S = 8
"""So much silence follows the voice in what the model looks at: with less it says things twice and thrice."""
_DOUBTFUL_LOG_PROBABILITY = -0.5
_TOKENS_MOST, _TOKENS_PER_S = 24, 12  # nobody speaks faster: it repeats itself
_SHORTEST_MS = 100.0  # less holds no word, and the model invents one
_SILENCE_PEAK = 0.003  # -50 dBFS
_DOUBTFUL_NO_SPEECH = 0.3
_NO_SPEECH = 0.8
_INVENTED = frozenset({"", "you", "thank you", "thanks for watching", "thank you for watching", "bye", "so"})
"""What this model writes when it hears nobody, from the subtitles it learned from."""


def create(options: Mapping[str, Any]) -> SegmentedSpeechToText:
    """The entry point `voice_server.stt: local`.

    `options`: `weights` (a WeightStore), `threads`, `partial_every_ms`.
    """
    transcriber = WhisperTranscriber(
        options.get("weights") or WeightStore(), options.get("threads") or default_threads()
    )
    return SegmentedSpeechToText(transcriber, options.get("partial_every_ms", 700), most_guesses=1)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a stretch of audio was taken for. `log_probability`: of a token, on average."""

    text: str
    tokens: int
    log_probability: float
    no_speech_probability: float

    @property
    def is_invented(self) -> bool:
        """Whether nobody spoke."""
        if self.no_speech_probability >= _NO_SPEECH:
            return True
        words = self.text.strip(" .,!?").lower()
        return self.no_speech_probability >= _DOUBTFUL_NO_SPEECH and words in _INVENTED


class WhisperTranscriber:
    """A `Transcriber`. One transcription at a time, the urgent ones first.

    The model was made to look at 30 s, and most of its work is to look. An utterance is seen within a shorter
    window first, at a third of the cost; where that leaves the model in doubt, it looks again at all 30 s.
    """

    name = "local"
    title = "Whisper tiny.en (this machine)"
    capabilities = SttCapabilities(languages=("en",))

    def __init__(self, weights: WeightStore, threads: int) -> None:
        self._weights = weights
        self._threads = threads
        self._worker = Worker("whisper")
        self._model: Any = None
        self._tokenizer: Any = None

    async def warm(self) -> None:
        if self._model is None:
            await self._worker.run(self._load)

    async def close(self) -> None:
        await self._worker.close()
        self._model = self._tokenizer = None

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        try:
            return await self._worker.run(lambda: self._transcribe(pcm, urgent=urgent), urgent=urgent)
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
        tokenizer = whisper.tokenizer.Tokenizer(model.hf_tokenizer, False, task="transcribe", language="en")
        self._tokenizer = tokenizer
        # The first run allocates; nobody's first sentence should wait for it.
        quiet = np.zeros(STT_RATE_HZ, np.float32)
        self._look_at_all(model, quiet)
        self._look(model, quiet, urgent=True)
        self._model = model

    def _transcribe(self, pcm: bytes, *, urgent: bool = True) -> Transcript:
        self._load()
        samples = np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)
        if duration_ms(len(pcm), STT_RATE_HZ) < _SHORTEST_MS or np.abs(samples).max() < _SILENCE_PEAK:
            return Transcript("", "en")
        heard = None
        if samples.size <= (_LONGEST_WINDOW_S - _QUIET_S) * STT_RATE_HZ:
            heard = self._look(self._model, samples, urgent=urgent)
        if heard is None and not urgent:
            return Transcript("", "en")  # a guess is not worth a second look
        parts = self._look_at_all(self._model, samples) if heard is None else [heard]
        return _joined([part for part in parts if not part.is_invented])

    def _look(self, model: Any, samples: _Samples, *, urgent: bool) -> _Heard | None:
        """What a short window shows; None where it cannot be trusted, or somebody urgent waits."""
        voice_s = samples.size / STT_RATE_HZ
        window = int(max(_SHORTEST_WINDOW_S, voice_s + _QUIET_S) * STT_RATE_HZ)
        features = model.feature_extractor(np.pad(samples, (0, window - samples.size)), padding=0)
        seen = model.encode(np.ascontiguousarray(features, np.float32))
        if not urgent and self._worker.is_pressed:
            return None
        prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]
        most = len(prompt) + _TOKENS_MOST + int(voice_s * _TOKENS_PER_S)
        (found,) = model.model.generate(
            seen, [prompt], beam_size=1, max_length=most, return_scores=True, return_no_speech_prob=True
        )
        tokens = found.sequences_ids[0]
        count = len(tokens) + 1  # with the one that ends it
        heard = _Heard(
            self._tokenizer.decode(tokens).strip(),
            count,
            found.scores[0] * len(tokens) / count,
            found.no_speech_prob,
        )
        if urgent and not heard.is_invented and heard.log_probability < _DOUBTFUL_LOG_PROBABILITY:
            return None
        return None if len(prompt) + len(tokens) >= most else heard

    @staticmethod
    def _look_at_all(model: Any, samples: _Samples) -> list[_Heard]:
        segments, _ = model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return [  # a generator: the work is done here
            _Heard(one.text.strip(), len(one.tokens), one.avg_logprob, one.no_speech_prob) for one in segments
        ]


def _joined(parts: list[_Heard]) -> Transcript:
    text = " ".join(part.text for part in parts).strip()
    if not text:
        return Transcript("", "en")
    tokens = sum(part.tokens for part in parts)
    log_probability = sum(part.log_probability * part.tokens for part in parts) / tokens
    return Transcript(text, "en", confidence=min(1.0, math.exp(log_probability)))
