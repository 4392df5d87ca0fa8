"""Google's speech services on loopback: real gRPC, with the messages of Google's own packages.

The wire, as the packages and Google's reference describe it:

    Speech v1, v2           StreamingRecognize: configuration first, then audio, at most 25 KB each; interim
                            results replace each other, a final covers the audio up to its end; all is final
                            once the client has closed its side; OUT_OF_RANGE after about five minutes
    TextToSpeech v1         ListVoices, SynthesizeSpeech, StreamingSynthesize: configuration, texts, audio
    keys                    metadata `x-goog-api-key`; UNAUTHENTICATED, or RESOURCE_EXHAUSTED with a RetryInfo
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import grpc
import grpc.aio
import numpy as np
from google.cloud import speech_v1, speech_v2
from google.cloud import texttospeech_v1 as tts
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms, duration_ms
from voice_server.fakes.script import RETRY_AFTER_S, Call, Fault, Script, Seen
from voice_server.fakes.spoken import spelled

TTS_RATE_HZ = 24_000
_LARGEST_AUDIO_BYTES = 25_600
_PAUSE_MS = 300.0
_CHUNK_BYTES = 2_400
_GARBAGE = b"\xff\xff\xff\xff this is no message"


@dataclass(slots=True)
class GoogleHabits:
    """How this fake differs from the others.

    `spells`: what is heard is what the audio spells, instead of the words of the script; a silence makes a
    final if it `notices_pauses`. `voices`: the first five letters are the language.
    """

    spells: bool = False
    notices_pauses: bool = True
    longest_call_ms: float = 305_000.0
    voices: tuple[str, ...] = ("en-US-Chirp3-HD-Achernar", "en-US-Neural2-C", "de-DE-Neural2-B")


class FakeGoogle:
    """Every service on one port."""

    def __init__(self, script: Script | None = None, habits: GoogleHabits | None = None) -> None:
        self.script = script or Script()
        self.habits = habits or GoogleHabits()
        self.seen = Seen()
        self.address = ""
        self._server: Any = None

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.add_generic_rpc_handlers(
            (
                _service(
                    "google.cloud.speech.v1.Speech",
                    StreamingRecognize=_streamed(speech_v1.StreamingRecognizeRequest, self._recognize_v1),
                ),
                _service(
                    "google.cloud.speech.v2.Speech",
                    StreamingRecognize=_streamed(speech_v2.StreamingRecognizeRequest, self._recognize_v2),
                ),
                _service(
                    "google.cloud.texttospeech.v1.TextToSpeech",
                    ListVoices=_unary(tts.ListVoicesRequest, self._list_voices),
                    SynthesizeSpeech=_unary(tts.SynthesizeSpeechRequest, self._synthesize),
                    StreamingSynthesize=_streamed(tts.StreamingSynthesizeRequest, self._stream_speech),
                ),
            )
        )
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    # ── Speech ───────────────────────────────────────────────────────────────────────────────────

    async def _recognize_v1(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        first = (await anext(requests)).streaming_config.config
        call = Call(_key(context), first.model, first.language_code)
        audio = (request.audio_content async for request in requests)
        with self._call(call):
            async for heard in self._recognize(audio, context):
                yield (
                    heard
                    if isinstance(heard, bytes)
                    else _answer_v1(
                        heard, self._found([first.language_code, *first.alternative_language_codes])
                    )
                )

    async def _recognize_v2(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        opening = await anext(requests)
        first = opening.streaming_config.config
        call = Call(
            _key(context), first.model, first.language_codes[0], raw={"recognizer": opening.recognizer}
        )
        audio = (request.audio async for request in requests)
        with self._call(call):
            async for heard in self._recognize(audio, context):
                yield (
                    heard
                    if isinstance(heard, bytes)
                    else _answer_v2(heard, self._found(first.language_codes))
                )

    def _found(self, languages: Sequence[str]) -> str:
        """Of the languages it is told, the one of the script, or the first."""
        wished = self.script.language or ""
        return next((one for one in languages if one.startswith(wished)), languages[0])

    async def _recognize(self, audio: AsyncIterator[bytes], context: Any) -> AsyncIterator["_Heard | bytes"]:
        await self._refuse(context)
        habits, heard_bytes = self.habits, 0
        listener = _Speller(habits.notices_pauses) if habits.spells else _Reader(self.script.words)
        async for pcm in audio:
            self.seen.hear(len(pcm))
            heard_bytes += len(pcm)
            if len(pcm) > _LARGEST_AUDIO_BYTES:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Audio chunk is over 25600 bytes.")
            if duration_ms(heard_bytes, STT_RATE_HZ) > habits.longest_call_ms:
                await context.abort(
                    grpc.StatusCode.OUT_OF_RANGE, "Exceeded maximum allowed stream duration of 305 seconds."
                )
            if self.script.fault is Fault.GARBAGE:
                yield _GARBAGE
            for heard in listener.hear(pcm):
                yield heard
                await self._break_off(context)
        for heard in listener.finish():
            yield heard

    # ── Text to speech ───────────────────────────────────────────────────────────────────────────

    async def _list_voices(self, request: Any, context: Any) -> Any:
        with self._call(Call(_key(context), raw={"method": "ListVoices"})):
            await self._refuse(context)
            if self.script.fault is Fault.GARBAGE:
                return _GARBAGE
            return tts.ListVoicesResponse(
                voices=[
                    tts.Voice(name=name, language_codes=[name[:5]], ssml_gender=tts.SsmlVoiceGender.FEMALE)
                    for name in self.habits.voices
                ]
            )

    async def _synthesize(self, request: Any, context: Any) -> Any:
        text, voice = request.input.text, request.voice
        call = Call(
            _key(context),
            language=voice.language_code,
            text=text,
            voice=voice.name,
            raw={"method": "SynthesizeSpeech"},
        )
        with self._call(call):
            await self._refuse(context)
            if self.script.fault is Fault.GARBAGE:
                return _GARBAGE
            await self._break_off(context)
            return tts.SynthesizeSpeechResponse(audio_content=self.script.sound_of(text))

    async def _stream_speech(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        voice = (await anext(requests)).streaming_config.voice
        text = "".join([request.input.text async for request in requests])
        call = Call(
            _key(context),
            language=voice.language_code,
            text=text,
            voice=voice.name,
            raw={"method": "StreamingSynthesize"},
        )
        with self._call(call):
            await self._refuse(context)
            if self.script.fault is Fault.GARBAGE:
                yield _GARBAGE
            pcm = self.script.sound_of(text)
            for start in range(0, len(pcm), _CHUNK_BYTES):
                yield tts.StreamingSynthesizeResponse(audio_content=pcm[start : start + _CHUNK_BYTES])
                await self._break_off(context)

    # ── Faults ───────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _call(self, call: Call) -> Iterator[None]:
        self.seen.begin(call)
        is_abandoned = False
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            is_abandoned = True
            raise
        finally:
            self.seen.end(abandoned=is_abandoned)

    async def _refuse(self, context: Any) -> None:
        """Fail before the answer, if the script says so."""
        match self.script.fault:
            case Fault.REJECTED_KEY:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "API key not valid.")
            case Fault.RATE_LIMITED:
                await context.abort_with_status(rpc_status.to_status(_busy()))
            case Fault.BROKEN:
                await context.abort(grpc.StatusCode.INTERNAL, "Internal error encountered.")
            case Fault.HANG:
                await asyncio.Event().wait()
            case _:
                pass

    async def _break_off(self, context: Any) -> None:
        """Fail within the answer, if the script says so."""
        if self.script.fault is Fault.DROP:
            # What a client's gRPC makes of a connection that is gone.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        elif self.script.fault is Fault.STALL:
            await asyncio.Event().wait()


# ── Hearing ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str
    is_final: bool
    end_ms: float


class _Reader:
    """Hears the script, a word more with every message."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words
        self._heard_words = 0
        self._heard_bytes = 0

    def hear(self, pcm: bytes) -> list[_Heard]:
        self._heard_bytes += len(pcm)
        if self._heard_words == len(self._words):
            return []
        self._heard_words += 1
        return [self._heard("".join(self._words[: self._heard_words]), is_final=False)]

    def finish(self) -> list[_Heard]:
        return [self._heard("".join(self._words), is_final=True)] if self._heard_bytes else []

    def _heard(self, text: str, *, is_final: bool) -> _Heard:
        return _Heard(text, is_final, duration_ms(self._heard_bytes, STT_RATE_HZ))


class _Speller:
    """Spells what it hears; a pause after words makes them final."""

    def __init__(self, notices_pauses: bool) -> None:
        self._notices_pauses = notices_pauses
        self._pcm = bytearray()  # since the last final
        self._start_bytes = 0

    def hear(self, pcm: bytes) -> list[_Heard]:
        self._pcm += pcm
        heard: list[_Heard] = []
        while self._notices_pauses and (pause := self._pause()) is not None:
            heard.append(self._final(pause))
        if text := spelled(bytes(self._pcm)):
            heard.append(_Heard(text, False, self._end_ms(len(self._pcm))))
        return heard

    def finish(self) -> list[_Heard]:
        return [self._final(len(self._pcm))] if spelled(bytes(self._pcm)) else []

    def _final(self, length: int) -> _Heard:
        text = spelled(bytes(self._pcm[:length]))
        heard = _Heard(text, True, self._end_ms(length))
        del self._pcm[:length]
        self._start_bytes += length
        return heard

    def _end_ms(self, length: int) -> float:
        return duration_ms(self._start_bytes + length, STT_RATE_HZ)

    def _pause(self) -> int | None:
        """Where the first pause after words has lasted long enough, in bytes."""
        is_loud = np.frombuffer(bytes(self._pcm), "<i2") != 0
        loud = np.flatnonzero(is_loud)
        if not loud.size:
            return None
        pause = bytes_of_ms(_PAUSE_MS, STT_RATE_HZ) // 2
        gaps = np.flatnonzero(np.diff(np.append(loud, is_loud.size)) > pause)
        return int(loud[gaps[0]] + pause) * 2 if gaps.size else None


def _answer_v1(heard: _Heard, language: str) -> Any:
    result = speech_v1.StreamingRecognitionResult(
        alternatives=[speech_v1.SpeechRecognitionAlternative(transcript=heard.text, confidence=0.9)],
        is_final=heard.is_final,
        result_end_time=timedelta(milliseconds=heard.end_ms),
        language_code=language.lower(),
    )
    return speech_v1.StreamingRecognizeResponse(results=[result])


def _answer_v2(heard: _Heard, language: str) -> Any:
    result = speech_v2.StreamingRecognitionResult(
        alternatives=[speech_v2.SpeechRecognitionAlternative(transcript=heard.text, confidence=0.9)],
        is_final=heard.is_final,
        result_end_offset=timedelta(milliseconds=heard.end_ms),
        language_code=language,
    )
    return speech_v2.StreamingRecognizeResponse(results=[result])


def _key(context: Any) -> str | None:
    metadata = dict(context.invocation_metadata())
    key = metadata.get("x-goog-api-key")
    return key if isinstance(key, str) else None


# ── gRPC ─────────────────────────────────────────────────────────────────────────────────────────


def _service(name: str, **methods: Any) -> Any:
    return grpc.method_handlers_generic_handler(name, methods)


def _streamed(request: Any, handler: Callable[..., AsyncIterator[Any]]) -> Any:
    return grpc.stream_stream_rpc_method_handler(handler, request.deserialize, _serialize)


def _unary(request: Any, handler: Callable[..., Awaitable[Any]]) -> Any:
    return grpc.unary_unary_rpc_method_handler(handler, request.deserialize, _serialize)


def _serialize(message: Any) -> bytes:
    return message if isinstance(message, bytes) else type(message).serialize(message)


def _busy() -> status_pb2.Status:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_AFTER_S)))
    return status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="Quota exceeded.", details=[detail])
