"""The seam to vendors: one Protocol a role, and the frozen facts that cross it.

A provider states honestly what it can do; adapters (`segmented`) make up for what it cannot.
Errors leave a provider only as `ProviderError` (or `AudioError` for audio that is at fault), the vendor's
exception as their cause. Cancelling (closing the generator, leaving the context) is idempotent and
takes effect for the caller at once, even if the engine needs longer to stop.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voice_server.core.wire import ToolSpec


class Provider(Protocol):
    """What every role has."""

    @property
    def name(self) -> str:
        """The name settings, discovery and `metrics` use, such as `local`."""
        ...

    @property
    def title(self) -> str:
        """What people read in a menu, such as `Whisper tiny.en (this machine)`."""
        ...

    async def warm(self) -> None:
        """Load and warm what is slow to load. Safe to call again; concurrent calls share one load.

        Raises:
            ConfigurationError: something the operator must mend (a missing model file, a missing key).
            ProviderUnavailable: it may work later.
        """
        ...

    async def close(self) -> None:
        """Free what `warm` took."""
        ...


# ── Speech to text ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SttCapabilities:
    """`languages` are BCP 47 tags; a primary tag (`en`) covers its regions (`en-US`).

    `detects_language`: it finds out by itself which of `SttHints.languages` is spoken, and says so.
    """

    languages: tuple[str, ...]
    partials: bool = False
    streaming: bool = False
    detects_language: bool = False


@dataclass(frozen=True, slots=True)
class SttHints:
    """What is known before anything is heard: the language, or the `languages` it may be, likeliest first."""

    language: str | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. `confidence` is 0 to 1, None where the provider truly gives none.

    `text` is empty when there was no speech in the audio.
    """

    text: str
    language: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class PartialHeard:
    """What has been heard so far; replaces the partial before it.

    `steady`: as much of it as will hardly be taken back; None: all of it.
    """

    text: str
    steady: str | None = None


@dataclass(frozen=True, slots=True)
class FinalHeard:
    """Answers one `flush`: everything pushed before it. `mark` is the number `flush` was given.

    `provider`: who heard it, where that is not plain.
    """

    transcript: Transcript
    mark: int
    provider: str | None = None


class SttStream(Protocol):
    """One utterance. PCM16 mono at 16 kHz goes in by `push`, which never blocks, and of any length.

    Whoever pushes bounds how much: what has not been sent yet is kept, however long it is.

    `flush` asks for a final of everything pushed so far and may be called more than once, when the
    speaker goes on after a pause: the later final holds the whole utterance again. A flush overtaken by a
    later one need not be answered. Iterating yields partials and finals, ends when the stream is left, and
    raises `ProviderError` when the provider fails.
    """

    def push(self, pcm: bytes) -> None:
        """Add audio."""
        ...

    def flush(self, mark: int) -> None:
        """Ask for a final of everything pushed so far."""
        ...

    def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]: ...


class SpeechToText(Provider, Protocol):
    """Speech to text, as a stream an utterance."""

    @property
    def capabilities(self) -> SttCapabilities: ...

    def open(self, hints: SttHints) -> AbstractAsyncContextManager[SttStream]:
        """Begin one utterance; leaving the context cancels whatever is still running."""
        ...


class Transcriber(Provider, Protocol):
    """A one-shot recogniser. `segmented.SegmentedSpeechToText` makes a `SpeechToText` of it."""

    @property
    def capabilities(self) -> SttCapabilities: ...

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        """Recognise a whole clip of PCM16 mono at 16 kHz.

        `urgent=False` (a partial) gives way to every urgent call that waits.
        """
        ...


# ── Language model ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model's wish to call a tool; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of the prompt. `tool_uses` on an assistant's, `call_id` on a tool's."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_uses: tuple[ToolUse, ...] = ()
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class LlmCapabilities:
    """`context_tokens` bounds prompt and reply together."""

    tools: bool = False
    context_tokens: int = 8192


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """A prompt. `messages` begins with the system message, if there is one."""

    messages: Sequence[ChatMessage]
    temperature: float | None = None
    max_tokens: int | None = None
    tools: Sequence[ToolSpec] = ()
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply, any length."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A complete tool call."""

    use: ToolUse


@dataclass(frozen=True, slots=True)
class ReplyUsage:
    """Comes last, where the provider counts."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class ServedBy:
    """Comes first, where it is not plain who answers: the provider and its model."""

    name: str


ReplyDelta = TextDelta | ToolCallDelta | ReplyUsage | ServedBy


class LanguageModel(Provider, Protocol):
    """A language model. Closing the generator cancels the call."""

    @property
    def model(self) -> str:
        """The model's own name, such as `qwen-1.5b`."""
        ...

    @property
    def capabilities(self) -> LlmCapabilities: ...

    def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        """Stream the reply to `request`."""
        ...


# ── Text to speech ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice one may choose. `gender` is `female`, `male` or `neutral`."""

    id: str
    provider: str
    name: str
    gender: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TtsCapabilities:
    """`rate_hz` is the rate of every chunk. `has_all_voices`: there are no others to be learned of.

    `word_times`: its chunks have a `timing`. Of other voices it is estimated from the sound.
    """

    voices: tuple[Voice, ...]
    rate_hz: int
    word_times: bool = False
    has_all_voices: bool = True

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language some voice speaks."""
        return tuple(dict.fromkeys(tag for voice in self.voices for tag in voice.languages))


Marks = tuple[tuple[float, int], ...]
"""Positions in audio, in ms, and how many characters of its text are spoken by then; both ascending."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """PCM16 mono at the provider's rate, any length.

    `piece` counts the texts taken from the iterator: this audio speaks the `piece`-th of them (from 0).
    `ends_piece` is true on the last chunk of its piece. `provider`: whose voice it is, where not plain.
    `timing`, with `word_times`: where words of the piece end in its audio, of this chunk, of one before it or
    of one to come.
    """

    pcm: bytes
    piece: int
    ends_piece: bool = False
    provider: str | None = None
    timing: Marks = ()


class TextToSpeech(Provider, Protocol):
    """Text to speech. Pieces are clauses or sentences; audio comes in their order.

    Closing the generator cancels synthesis. A piece without anything to say yields an empty chunk that ends
    it.
    """

    @property
    def capabilities(self) -> TtsCapabilities: ...

    def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text` as they come."""
        ...


@runtime_checkable
class VoiceLister(Protocol):
    """A `TextToSpeech` whose voices change now and then."""

    async def refresh_voices(self) -> None:
        """Ask for the voices; where that fails, those known stay.

        Raises:
            VoiceServerError: what `warm` may raise.
        """
        ...


# ── Embeddings ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class EmbeddingCapabilities:
    """`dimensions` is the length of every vector; `languages` are those whose meaning it tells, BCP 47."""

    dimensions: int
    languages: tuple[str, ...]


class Embeddings(Provider, Protocol):
    """Texts to vectors whose cosine tells how near their meanings are."""

    @property
    def model(self) -> str:
        """Names what makes the vectors: those of another model cannot be compared with them."""
        ...

    @property
    def capabilities(self) -> EmbeddingCapabilities: ...

    async def embed(self, texts: Sequence[str], *, urgent: bool = True) -> list[NDArray[np.float32]]:
        """A vector of unit length for each text, in their order. Of a long text the beginning counts.

        `urgent=False` gives way to every urgent call that waits.
        """
        ...
