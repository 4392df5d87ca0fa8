"""Speech without a conversation: recordings to text, text to sound, by the configured providers."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from voice_server.audio.clip import decode_clip
from voice_server.audio.format import STT_RATE_HZ, InputFormat, bytes_of_ms, duration_ms
from voice_server.core.caller import Caller
from voice_server.core.usage import UsageMeter
from voice_server.errors import LimitError, ProtocolError, ProviderError, ProviderTimeout, TooLargeError
from voice_server.providers import registry
from voice_server.providers.base import (
    AudioChunk,
    FinalHeard,
    Provider,
    SpeechToText,
    SttHints,
    TextToSpeech,
    Transcript,
    Voice,
)
from voice_server.providers.metered import Bill, MeteredStt, MeteredTts

P = TypeVar("P", bound=Provider)

_PART_MS = 25_000
"""A longer recording is heard in parts, cut where it is quiet, so that a conversation waits for no more."""
_CUT_WITHIN_MS = 8_000
_CUT_STEP_MS = 100
_PIECE_CHARS = 400  # of text, at the end of a sentence where there is one
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+")
_ALIASES = {"whisper": "local"}  # what the public client asks for
_SUFFIX = "_tts"  # … and `openai_tts`


@dataclass(frozen=True, slots=True)
class SpeechLimits:
    """Bounds of one request, and of all together."""

    clip_s: float = 300
    text_chars: int = 5_000
    at_once: int = 16
    stt_final_ms: float = 10_000
    tts_first_audio_ms: float = 10_000
    tts_gap_ms: float = 10_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a recording, and who understood it. `confidence` is None where nobody knows."""

    text: str
    language: str | None
    confidence: float | None
    duration_ms: float
    provider: str


class Spoken:
    """A text as it is spoken: `voice`, the rate, and chunks of PCM16 mono to iterate over, once."""

    def __init__(self, voice: Voice, rate_hz: int, chunks: AsyncGenerator[bytes, None]) -> None:
        self.voice = voice
        self.rate_hz = rate_hz
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        """Stop speaking."""
        await self._chunks.aclose()


class Speech:
    """Listens and speaks for the REST API: by `listeners` and `speakers`, the default ones first.

    A provider, model or voice that is known but not configured is served by the default one, and told; with
    `strict` it is refused.
    """

    def __init__(
        self,
        stt: Sequence[SpeechToText],
        tts: Sequence[TextToSpeech],
        default_voice: Voice,
        language: str,
        workers: Executor,
        limits: SpeechLimits,
        meter: UsageMeter,
        *,
        strict: bool = False,
    ) -> None:
        self.listeners = stt
        self.speakers = tts
        self._default_voice = default_voice
        self._language = language
        self._workers = workers
        self._limits = limits
        self._meter = meter
        self._strict = strict
        self._under_way = 0

    # ── Listening ────────────────────────────────────────────────────────────────────────────────

    async def transcribe(
        self,
        caller: Caller,
        data: bytes,
        declared: InputFormat | None = None,
        *,
        provider: str | None = None,
        language: str | None = None,
    ) -> Heard:
        """What is said in a recording. Cancelling stops it.

        Raises:
            ProtocolError: a provider nobody knows, or that a strict server does not replace.
            AudioError: it is no audio.
            TooLargeError: it is too long.
            LimitError: too much is under way, or the caller has had its minutes of speech.
            ProviderError: the provider failed.
        """
        standing = await self._meter.standing(caller, voice=True)
        if standing.refusal is not None:
            raise standing.refusal
        stt = MeteredStt(self._provider("stt", self.listeners, provider), Bill(self._meter, caller))
        with self._counted():
            try:
                pcm = await asyncio.get_running_loop().run_in_executor(
                    self._workers, decode_clip, data, declared, self._limits.clip_s
                )
            except LimitError as error:
                raise TooLargeError(error.message, code=error.code) from error
            await stt.warm()
            spoken = language or self._language
            hints = SttHints(spoken if _serves(stt.capabilities.languages, spoken) else None)
            heard = [(await self._hear(stt, part, hints), len(part)) for part in parts_of(pcm)]
        words = [(one, size) for one, size in heard if one.text]
        return Heard(
            text=" ".join(one.text for one, _ in words),
            language=next((one.language for one, _ in words or heard if one.language), None),
            confidence=_mean_confidence(words),
            duration_ms=duration_ms(len(pcm), STT_RATE_HZ),
            provider=stt.name,
        )

    async def _hear(self, stt: SpeechToText, pcm: bytes, hints: SttHints) -> Transcript:
        allowed_s = (self._limits.stt_final_ms + duration_ms(len(pcm), STT_RATE_HZ)) / 1000
        try:
            async with asyncio.timeout(allowed_s), stt.open(hints) as stream:
                stream.push(pcm)
                stream.flush(1)
                async for heard in stream:
                    if isinstance(heard, FinalHeard):
                        return heard.transcript
        except TimeoutError as error:
            raise ProviderTimeout("Speech recognition gave no answer in time.", stage="stt") from error
        raise ProviderError("Speech recognition ended too early.", stage="stt")

    # ── Speaking ─────────────────────────────────────────────────────────────────────────────────

    def speak(
        self,
        caller: Caller,
        text: str,
        *,
        voice: str | None = None,
        language: str | None = None,
        model: str | None = None,
    ) -> Spoken:
        """The text as sound. Closing it stops it; iterating raises `LimitError` and `ProviderError`.

        Raises:
            ProtocolError: nothing to say, or a voice or model that a strict server does not replace.
            TooLargeError: the text is too long.
        """
        if len(text) > self._limits.text_chars:
            raise TooLargeError(
                f"The text has {len(text)} characters; {self._limits.text_chars} are taken.",
                code="text_too_long",
            )
        if not any(character.isalnum() for character in text):
            raise ProtocolError("There is nothing in the text that can be spoken.", code="nothing_to_say")
        tts, chosen = self._voice(voice, language, model)
        # Whoever takes over if this voice fails has to know the language.
        usual = self._language if _serves(chosen.languages, self._language) else chosen.languages[0]
        voice_of_it = replace(chosen, languages=(language or usual,))
        metered = MeteredTts(tts, Bill(self._meter, caller))
        return Spoken(chosen, tts.capabilities.rate_hz, self._chunks(metered, voice_of_it, text))

    async def _chunks(self, tts: TextToSpeech, voice: Voice, text: str) -> AsyncGenerator[bytes, None]:
        with self._counted():
            await tts.warm()
            allowed_s = self._limits.tts_first_audio_ms / 1000
            async with aclosing(tts.speak(_pieces(text), voice)) as chunks:
                while (chunk := await _next(chunks, allowed_s)) is not None:
                    if chunk.pcm:
                        yield chunk.pcm
                    allowed_s = self._limits.tts_gap_ms / 1000

    def _voice(
        self, voice: str | None, language: str | None, model: str | None
    ) -> tuple[TextToSpeech, Voice]:
        voices = [(tts, one) for tts in self.speakers for one in tts.capabilities.voices]
        if voice is not None:
            for tts, one in voices:
                if one.id == voice:
                    return tts, one
            self._refuse_if_strict(f"The voice '{voice}' is not configured.")
        tts = next(one for one in self.speakers if one.name == self._default_voice.provider)
        if model is not None:
            tts = self._of_model(self.speakers, tts, model.removesuffix(_SUFFIX))
        own = tts.capabilities.voices
        chosen = next((one for one in own if one.id == self._default_voice.id), own[0])
        if language is None or _serves(chosen.languages, language):
            return tts, chosen
        if (fitting := next((one for one in own if _serves(one.languages, language)), None)) is None:
            self._refuse_if_strict(f"No voice of '{tts.name}' speaks {language}.")
        return tts, fitting or chosen

    # ── What both share ──────────────────────────────────────────────────────────────────────────

    def stt_of_model(self, model: str | None) -> str | None:
        """The provider that a model of `/api/voice/stt/models` stands for; None: the default."""
        if model is None:
            return None
        return self._of_model(self.listeners, self.listeners[0], model).name

    def _of_model(self, configured: Sequence[P], default: P, model: str) -> P:
        wished = model if any(one.name == model for one in configured) else _ALIASES.get(model, model)
        for one in configured:
            if one.name == wished:
                return one
        if model not in _ALIASES:
            self._refuse_if_strict(f"The model '{model}' is not configured.")
        return default

    def _provider(self, role: registry.Role, configured: Sequence[P], wished: str | None) -> P:
        if wished is None:
            return configured[0]
        for one in configured:
            if one.name == wished:
                return one
        if wished not in registry.known(role):
            known = ", ".join(sorted({*registry.known(role), *(one.name for one in configured)}))
            raise ProtocolError(
                f"Nobody knows the provider '{wished}'; known are {known}.", code="unknown_provider"
            )
        self._refuse_if_strict(f"The provider '{wished}' is not configured.")
        return configured[0]

    def _refuse_if_strict(self, sentence: str) -> None:
        if self._strict:
            raise ProtocolError(sentence, code="not_configured")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._under_way >= self._limits.at_once:
            raise LimitError("Too much is being transcribed or spoken right now. Try again in a moment.")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


def parts_of(pcm: bytes) -> list[bytes]:
    """A recording of 16 kHz in parts of `_PART_MS` at most, cut in the quietest moment near their ends."""
    most, within = bytes_of_ms(_PART_MS, STT_RATE_HZ), bytes_of_ms(_CUT_WITHIN_MS, STT_RATE_HZ)
    parts = []
    while len(pcm) > most:
        step = bytes_of_ms(_CUT_STEP_MS, STT_RATE_HZ)
        end = np.frombuffer(pcm[most - within : most], "<i2").astype(np.float32)
        loudness = np.square(end.reshape(-1, step // 2)).mean(axis=1)
        cut = most - within + int(loudness.argmin()) * step + step // 2
        cut -= cut % 2
        parts.append(pcm[:cut])
        pcm = pcm[cut:]
    return [*parts, pcm]


async def _pieces(text: str) -> AsyncIterator[str]:
    for piece in pieces_of(text):
        yield piece


def pieces_of(text: str) -> list[str]:
    """A text in pieces of `_PIECE_CHARS` at most: whole sentences, or else whole words."""
    pieces = [""]
    for sentence in _SENTENCE_END.split(text.strip()):
        words = [sentence] if len(sentence) <= _PIECE_CHARS else sentence.split()
        for word in words:
            if pieces[-1] and len(pieces[-1]) + 1 + len(word) > _PIECE_CHARS:
                pieces.append("")
            pieces[-1] = f"{pieces[-1]} {word}".lstrip()
    return pieces


async def _next(chunks: AsyncGenerator[AudioChunk, None], allowed_s: float) -> AudioChunk | None:
    try:
        async with asyncio.timeout(allowed_s):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise ProviderTimeout(f"The voice was silent for {allowed_s:g} s.", stage="tts") from error


def _mean_confidence(heard: Sequence[tuple[Transcript, int]]) -> float | None:
    known = [(one.confidence, size) for one, size in heard if one.confidence is not None]
    if not known:
        return None
    return sum(confidence * size for confidence, size in known) / sum(size for _, size in known)


def _serves(languages: Sequence[str], wished: str) -> bool:
    primary = wished.split("-")[0].lower()
    return any(tag.split("-")[0].lower() == primary for tag in languages)
