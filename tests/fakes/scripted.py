"""Providers that do what a script says, and without a script the plain thing, at once.

They wait by the event loop's clock, so in virtual time they are exact and cost nothing.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.audio.voice_activity import VadState
from voice_server.errors import ProviderError
from voice_server.fakes.spoken import spelled
from voice_server.providers.base import (
    AudioChunk,
    ChatMessage,
    EmbeddingCapabilities,
    FinalHeard,
    LlmCapabilities,
    Marks,
    PartialHeard,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    SttCapabilities,
    SttHints,
    TextDelta,
    ToolCallDelta,
    ToolUse,
    Transcript,
    TtsCapabilities,
    Voice,
)

TONE_VOICE = Voice("tone", "scripted", "Tone", "neutral", ("en-US",))


class Hang(Enum):
    """Nothing ever comes."""

    HANG = "hang"


HANG = Hang.HANG


class _Scripted:
    def __init__(self, name: str, warm_s: float, warm_error: Exception | None) -> None:
        self.name = name
        self.title = f"Scripted {name}"
        self.is_closed = False
        self._warm_s, self._warm_error = warm_s, warm_error
        self._warming: asyncio.Task[None] | None = None
        self._is_warm = warm_s == 0

    async def warm(self) -> None:
        if not self._is_warm:
            self._warming = self._warming or asyncio.create_task(asyncio.sleep(self._warm_s))
            await asyncio.shield(self._warming)
            self._is_warm = True
        if self._warm_error is not None:
            raise self._warm_error

    async def close(self) -> None:
        self.is_closed = True


# ── Speech to text ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Listening:
    """How one utterance is understood.

    `text`: instead of what the audio spells. `fails`: on the first final. `ends`: the stream breaks off.
    """

    text: str | None = None
    final_s: float | Hang = 0.0
    fails: Exception | None = None
    ends: bool = False
    language: str | None = "en"
    confidence: float | None = None


class ScriptedStt(_Scripted):
    """Understands what `spoken.speak` said. Each utterance takes the next of `script`, then `usual`."""

    def __init__(
        self,
        script: Iterable[Listening] = (),
        usual: Listening | None = None,
        *,
        name: str = "scripted",
        languages: tuple[str, ...] = ("en",),
        detects_language: bool = False,
        partial_every_ms: float | None = None,
        partial_s: float = 0.0,
        warm_s: float = 0.0,
        warm_error: Exception | None = None,
    ) -> None:
        super().__init__(name, warm_s, warm_error)
        self._script = iter(script)
        self._usual = usual or Listening()
        self._languages, self._detects_language = languages, detects_language
        self._partial_every_bytes = bytes_of_ms(partial_every_ms, STT_RATE_HZ) if partial_every_ms else None
        self._partial_s = partial_s
        self.hints: list[SttHints] = []
        self.streams_open = 0

    @property
    def capabilities(self) -> SttCapabilities:
        return SttCapabilities(
            self._languages,
            partials=self._partial_every_bytes is not None,
            streaming=True,
            detects_language=self._detects_language,
        )

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator["ScriptedSttStream"]:
        self.hints.append(hints)
        listening = next(self._script, self._usual)
        stream = ScriptedSttStream(listening, self._partial_every_bytes, self._partial_s)
        self.streams_open += 1
        try:
            yield stream
        finally:
            self.streams_open -= 1
            stream.leave()


class ScriptedSttStream:
    """One utterance."""

    def __init__(self, listening: Listening, partial_every_bytes: int | None, partial_s: float) -> None:
        self._listening = listening
        self._partial_every_bytes, self._partial_s = partial_every_bytes, partial_s
        self._pcm = bytearray()
        self._guessed_bytes = 0
        self._timers: list[asyncio.TimerHandle] = []
        self._heard: asyncio.Queue[PartialHeard | FinalHeard | Exception | None] = asyncio.Queue()

    def push(self, pcm: bytes) -> None:
        self._pcm += pcm
        every_bytes = self._partial_every_bytes
        if every_bytes is not None and len(self._pcm) - self._guessed_bytes >= every_bytes:
            self._guessed_bytes = len(self._pcm)
            self._after(self._partial_s, PartialHeard(self._text()))

    def flush(self, mark: int) -> None:
        if isinstance(self._listening.final_s, Hang):
            return
        if self._listening.ends or self._listening.fails is not None:
            self._after(self._listening.final_s, self._listening.fails)
            return
        transcript = Transcript(self._text(), self._listening.language, self._listening.confidence)
        self._after(self._listening.final_s, FinalHeard(transcript, mark))

    async def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        while (heard := await self._heard.get()) is not None:
            if isinstance(heard, Exception):
                raise heard
            yield heard

    def leave(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _text(self) -> str:
        return spelled(bytes(self._pcm)) if self._listening.text is None else self._listening.text

    def _after(self, seconds: float, heard: PartialHeard | FinalHeard | Exception | None) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(seconds, self._heard.put_nowait, heard))


# ── Language model ───────────────────────────────────────────────────────────────────────────────

Step = str | float | ToolUse | ReplyUsage | Exception | Hang
"""A piece of text, seconds to wait, a wish for a tool, what it took, a failure, or nothing ever again."""


def spread(text: str, every_s: float) -> list[Step]:
    """`text` word by word, each after `every_s`."""
    words = [word + " " for word in text.split(" ")]
    words[-1] = words[-1][:-1]
    return [step for word in words for step in (every_s, word)]


def echo(request: ReplyRequest) -> Sequence[Step]:
    """Say what the user said."""
    last: ChatMessage = request.messages[-1]
    return [f"You said: {last.content}"]


class ScriptedLlm(_Scripted):
    """Each call takes the next of `script`, then what `usual` makes of the request. `requests` keeps them."""

    def __init__(
        self,
        script: Iterable[Sequence[Step]] = (),
        usual: Callable[[ReplyRequest], Sequence[Step]] = echo,
        *,
        name: str = "scripted",
        model: str = "script-1",
        capabilities: LlmCapabilities | None = None,
        warm_s: float = 0.0,
        warm_error: Exception | None = None,
    ) -> None:
        super().__init__(name, warm_s, warm_error)
        self.model = model
        self.capabilities = capabilities or LlmCapabilities(tools=True)
        self._script = iter(script)
        self._usual = usual
        self.requests: list[ReplyRequest] = []
        self.calls_open = 0

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        self.requests.append(request)
        steps = next(self._script, None)
        self.calls_open += 1
        try:
            for step in self._usual(request) if steps is None else steps:
                match step:
                    case str():
                        yield TextDelta(step)
                    case float() | int():
                        await asyncio.sleep(step)
                    case ToolUse():
                        yield ToolCallDelta(step)
                    case ReplyUsage():
                        yield step
                    case Exception():
                        raise step
                    case Hang():
                        await asyncio.Event().wait()
        finally:
            self.calls_open -= 1


# ── Text to speech ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Speaking:
    """How one piece is spoken: when its audio comes, in chunks of `chunk_ms` each of which takes `chunk_s`.

    `fails`: after the first chunk, or instead of it where `at_once`. `ends`: the voice falls silent for good.
    `marks`: where its words end, told with the chunk of the number `marks_with`.
    """

    first_s: float | Hang = 0.0
    chunk_s: float = 0.0
    fails: Exception | None = None
    at_once: bool = True
    ends: bool = False
    marks: Marks = ()
    marks_with: int = 0


class ScriptedTts(_Scripted):
    """A tone, `character_ms` for each character. Each piece takes the next of `script`, then `usual`."""

    def __init__(
        self,
        script: Iterable[Speaking] = (),
        usual: Speaking | None = None,
        *,
        name: str = "scripted",
        character_ms: float = 50.0,
        chunk_ms: float = 200.0,
        rate_hz: int = 24_000,
        voices: tuple[Voice, ...] = (TONE_VOICE,),
        has_all_voices: bool = True,
        warm_s: float = 0.0,
        warm_error: Exception | None = None,
    ) -> None:
        super().__init__(name, warm_s, warm_error)
        self.capabilities = TtsCapabilities(voices, rate_hz, has_all_voices=has_all_voices)
        self._script = iter(script)
        self._usual = usual or Speaking()
        self._character_ms, self._chunk_ms = character_ms, chunk_ms
        self.spoken: list[str] = []
        self.voices: list[Voice] = []
        self.replies_open = 0

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        self.replies_open += 1
        self.voices.append(voice)
        try:
            number = 0
            async for piece in text:
                speaking = next(self._script, self._usual)
                if speaking.ends:
                    return
                async for chunk in self._speak_piece(piece, number, speaking):
                    yield chunk
                number += 1
        finally:
            self.replies_open -= 1

    async def _speak_piece(
        self, piece: str, number: int, speaking: Speaking
    ) -> AsyncGenerator[AudioChunk, None]:
        if isinstance(speaking.first_s, Hang):
            await asyncio.Event().wait()
            return
        await asyncio.sleep(speaking.first_s)
        if speaking.fails is not None and speaking.at_once:
            raise speaking.fails
        rate_hz = self.capabilities.rate_hz
        pcm = tone(self._character_ms * len(piece), rate_hz)
        step_bytes = bytes_of_ms(self._chunk_ms, rate_hz)
        self.spoken.append(piece)
        for index, start in enumerate(range(0, max(len(pcm), 1), step_bytes)):
            await asyncio.sleep(speaking.chunk_s)
            marks = speaking.marks if index == speaking.marks_with else ()
            is_last = start + step_bytes >= len(pcm)
            yield AudioChunk(pcm[start : start + step_bytes], number, is_last, timing=marks)
            if speaking.fails is not None:
                raise speaking.fails


def tone(duration_ms: float, rate_hz: int) -> bytes:
    """440 Hz, PCM16 mono."""
    times = np.arange(int(duration_ms * rate_hz / 1000)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()


# ── Embeddings ───────────────────────────────────────────────────────────────────────────────────


class ScriptedEmbeddings(_Scripted):
    """Texts of the same words are near. `fails`, as long as it is set; `refuses` any text with this in it."""

    def __init__(self, *, model: str = "scripted/words", dimensions: int = 96) -> None:
        super().__init__("scripted", 0.0, None)
        self.model = model
        self.capabilities = EmbeddingCapabilities(dimensions, ("en",))
        self.fails: Exception | None = None
        self.refuses: str | None = None
        self.takes_s = 0.0
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[str], *, urgent: bool = True) -> list[NDArray[np.float32]]:
        await asyncio.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails
        if self.refuses is not None and any(self.refuses in text for text in texts):
            raise ProviderError("A text was refused.", retryable=False)
        self.embedded += texts
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> NDArray[np.float32]:
        words = ["", *text.lower().split()]
        seeds = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) for word in words]
        rows = [np.random.default_rng(seed).normal(size=self.capabilities.dimensions) for seed in seeds]
        vector = np.sum(rows, axis=0)
        unit: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit


# ── What decides about turns ─────────────────────────────────────────────────────────────────────


class ScriptedVad:
    """Loud is voice."""

    def probabilities(
        self, windows: NDArray[np.float32], states: Sequence[VadState]
    ) -> tuple[NDArray[np.float32], list[VadState]]:
        loudness = np.sqrt(np.square(windows).mean(axis=1))
        return np.where(loudness > 0.03, 1.0, 0.0).astype(np.float32), list(states)


class ScriptedScore:
    """How finished an utterance sounds: `by_text` of what is spelled in it, else `usual`."""

    def __init__(
        self, by_text: dict[str, float] | None = None, usual: float = 0.5, score_s: float = 0.0
    ) -> None:
        self._by_text = by_text or {}
        self._usual = usual
        self._score_s = score_s

    async def __call__(self, pcm: bytes) -> float:
        await asyncio.sleep(self._score_s)
        return self._by_text.get(spelled(pcm), self._usual)
