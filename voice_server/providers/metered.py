"""Providers that count what one caller uses of them, thrown-away work included."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from voice_server.audio.format import STT_RATE_HZ, duration_ms
from voice_server.core.caller import Caller
from voice_server.core.usage import Kind, UsageMeter, Use, estimated_tokens
from voice_server.providers.base import (
    AudioChunk,
    FinalHeard,
    LanguageModel,
    LlmCapabilities,
    PartialHeard,
    Provider,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    ServedBy,
    SpeechToText,
    SttCapabilities,
    SttHints,
    SttStream,
    TextDelta,
    TextToSpeech,
    TtsCapabilities,
    Voice,
)


@dataclass(slots=True, eq=False)
class Call:
    """One call under way, and what it has used so far: added up with every frame and every word."""

    kind: Kind
    provider: str
    model: str
    audio_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0

    @property
    def use(self) -> Use:
        """What it has used."""
        return Use(
            self.kind,
            self.provider,
            self.model,
            self.audio_ms,
            self.input_tokens,
            self.output_tokens,
            self.characters,
        )

    def serve(self, provider: str, model: str = "") -> None:
        """Somebody else than was asked first does it."""
        if provider != self.provider or model not in ("", self.model):
            self.provider, self.model = provider, model


class Bill:
    """What one caller's calls cost since somebody last asked, in USD."""

    def __init__(self, meter: UsageMeter, caller: Caller) -> None:
        self._meter = meter
        self._caller = caller
        self._cost = 0.0
        self._open: set[Call] = set()

    def begin(self, kind: Kind, provider: str, model: str) -> Call:
        """A call begins."""
        call = Call(kind, provider, model)
        self._open.add(call)
        return call

    def end(self, call: Call) -> None:
        """A call is over; saying so twice counts once."""
        if call in self._open:
            self._open.remove(call)
            self._cost += self._meter.record(self._caller, call.use)

    def take_turn(self) -> float:
        """What the turn that ends now cost, and what was used before it in vain.

        Replies that are being stopped count up to here; speech that is being heard belongs to the next turn.
        """
        for call in [one for one in self._open if one.kind != "stt"]:
            self.end(call)
        cost, self._cost = self._cost, 0.0
        return cost


class _Metered:
    def __init__(self, inner: Provider, bill: Bill) -> None:
        self._provider = inner
        self._bill = bill

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def title(self) -> str:
        return self._provider.title

    async def warm(self) -> None:
        await self._provider.warm()

    async def close(self) -> None:
        await self._provider.close()


class MeteredStt(_Metered):
    """Counts the speech that is transcribed."""

    def __init__(self, inner: SpeechToText, bill: Bill) -> None:
        super().__init__(inner, bill)
        self._inner = inner

    @property
    def capabilities(self) -> SttCapabilities:
        return self._inner.capabilities

    def open(self, hints: SttHints) -> AbstractAsyncContextManager[SttStream]:
        return self._open(hints)

    @asynccontextmanager
    async def _open(self, hints: SttHints) -> AsyncIterator[SttStream]:
        call = self._bill.begin("stt", self.name, getattr(self._inner, "model", ""))
        try:
            async with self._inner.open(hints) as stream:
                yield _MeteredStream(stream, call)
        finally:
            self._bill.end(call)


class _MeteredStream:
    def __init__(self, inner: SttStream, call: Call) -> None:
        self._inner = inner
        self._call = call
        self.flush = inner.flush

    def push(self, pcm: bytes) -> None:
        self._call.audio_ms += duration_ms(len(pcm), STT_RATE_HZ)
        self._inner.push(pcm)

    async def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        async for heard in self._inner:
            if isinstance(heard, FinalHeard) and heard.provider is not None:
                self._call.serve(heard.provider)
            yield heard


class MeteredLlm(_Metered):
    """Counts tokens; it guesses them where the provider does not count, or was stopped before it did."""

    def __init__(self, inner: LanguageModel, bill: Bill) -> None:
        super().__init__(inner, bill)
        self._inner = inner

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def capabilities(self) -> LlmCapabilities:
        return self._inner.capabilities

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        call = self._bill.begin("llm", self.name, self.model)
        call.input_tokens = estimated_tokens(sum(len(one.content) for one in request.messages))
        written = 0  # characters
        try:
            async with aclosing(self._inner.reply(request)) as deltas:
                async for delta in deltas:
                    match delta:
                        case TextDelta(text):
                            written += len(text)
                            call.output_tokens = estimated_tokens(written)
                        case ServedBy(name):
                            provider, _, model = name.partition("/")
                            call.serve(provider, model)
                        case ReplyUsage(prompt_tokens, completion_tokens):
                            call.input_tokens, call.output_tokens = prompt_tokens, completion_tokens
                        case _:
                            pass
                    yield delta
        finally:
            self._bill.end(call)


class MeteredTts(_Metered):
    """Counts the characters that are spoken, and how long that takes."""

    def __init__(self, inner: TextToSpeech, bill: Bill) -> None:
        super().__init__(inner, bill)
        self._inner = inner

    @property
    def capabilities(self) -> TtsCapabilities:
        return self._inner.capabilities

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        call = self._bill.begin("tts", self.name, getattr(self._inner, "model", ""))
        rate_hz = self.capabilities.rate_hz
        lengths: list[int] = []
        begun = 0  # pieces

        async def counted() -> AsyncIterator[str]:
            async for piece in text:
                lengths.append(len(piece))
                call.characters += len(piece)
                yield piece

        try:
            async with aclosing(self._inner.speak(counted(), voice)) as chunks:
                async for chunk in chunks:
                    if chunk.provider is not None and chunk.provider != call.provider:
                        if begun:  # each is paid for what it was given; both, for the piece that broke off
                            call.characters = sum(lengths[:begun])
                            self._bill.end(call)
                            call = self._bill.begin("tts", "", "")
                            call.characters = sum(lengths[chunk.piece :])
                        call.serve(chunk.provider)
                    call.audio_ms += duration_ms(len(chunk.pcm), rate_hz)
                    begun = chunk.piece + 1
                    yield chunk
        finally:
            self._bill.end(call)
