"""Providers that count what one caller uses of them, thrown-away work included."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from voice_server.audio.format import STT_RATE_HZ, duration_ms
from voice_server.core.caller import Caller
from voice_server.core.usage import UsageMeter, Use, estimated_tokens
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
    """One call under way, and what it has used so far."""

    use: Use

    def add(self, *, audio_ms: float = 0.0, characters: int = 0) -> None:
        """It used more."""
        used = self.use
        self.use = replace(used, audio_ms=used.audio_ms + audio_ms, characters=used.characters + characters)

    def serve(self, provider: str, model: str = "") -> None:
        """Somebody else than was asked first does it."""
        if provider != self.use.provider or model not in ("", self.use.model):
            self.use = replace(self.use, provider=provider, model=model)


class Bill:
    """What one caller's calls cost since somebody last asked, in USD."""

    def __init__(self, meter: UsageMeter, caller: Caller) -> None:
        self._meter = meter
        self._caller = caller
        self._cost = 0.0
        self._open: set[Call] = set()

    def begin(self, use: Use) -> Call:
        """A call begins."""
        call = Call(use)
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
        for call in [one for one in self._open if one.use.kind != "stt"]:
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
        call = self._bill.begin(Use("stt", self.name, getattr(self._inner, "model", "")))
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
        self._call.add(audio_ms=duration_ms(len(pcm), STT_RATE_HZ))
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
        read = estimated_tokens("".join(one.content for one in request.messages))
        call = self._bill.begin(Use("llm", self.name, self.model, input_tokens=read))
        written = ""
        try:
            async with aclosing(self._inner.reply(request)) as deltas:
                async for delta in deltas:
                    match delta:
                        case TextDelta(text):
                            written += text
                            call.use = replace(call.use, output_tokens=estimated_tokens(written))
                        case ServedBy(name):
                            provider, _, model = name.partition("/")
                            call.serve(provider, model)
                        case ReplyUsage(prompt_tokens, completion_tokens):
                            call.use = replace(
                                call.use, input_tokens=prompt_tokens, output_tokens=completion_tokens
                            )
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
        call = self._bill.begin(Use("tts", self.name, getattr(self._inner, "model", "")))
        rate_hz = self.capabilities.rate_hz
        lengths: list[int] = []
        begun = 0  # pieces

        async def counted() -> AsyncIterator[str]:
            async for piece in text:
                lengths.append(len(piece))
                call.add(characters=len(piece))
                yield piece

        try:
            async with aclosing(self._inner.speak(counted(), voice)) as chunks:
                async for chunk in chunks:
                    if chunk.provider is not None and chunk.provider != call.use.provider:
                        if begun:  # each is paid for what it was given; both, for the piece that broke off
                            call.use = replace(call.use, characters=sum(lengths[:begun]))
                            self._bill.end(call)
                            call = self._bill.begin(Use("tts", "", characters=sum(lengths[chunk.piece :])))
                        call.serve(chunk.provider)
                    begun = chunk.piece + 1
                    call.add(audio_ms=duration_ms(len(chunk.pcm), rate_hz))
                    yield chunk
        finally:
            self._bill.end(call)
