"""Recognition while it is spoken, over a WebSocket: one session an utterance."""

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Never

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.audio.resample import Resampler
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.providers.base import (
    FinalHeard,
    PartialHeard,
    SttCapabilities,
    SttHints,
    Transcript,
)
from voice_server.providers.heard import HeardQueue
from voice_server.providers.lazily import Lazily
from voice_server.providers.openai.client import openai_client
from voice_server.providers.openai.errors import EventError, failures, openai_error
from voice_server.providers.openai.items import Items
from voice_server.providers.openai.languages import (
    LANGUAGES,
    detects_language,
    heard_language,
    language_fields,
)
from voice_server.providers.openai.options import OpenAiOptions

DEFAULT_MODEL = "gpt-live-transcribe"
_RATE_HZ = 24_000
_LEAST_COMMIT_BYTES = bytes_of_ms(100, _RATE_HZ)  # the vendor refuses less
_MOST_APPEND_BYTES = 1 << 18  # the vendor takes 15 MiB at once, as base64; and so much is resampled at once
_SOCKET = {"close_timeout": 1, "max_size": 1 << 20, "compression": None, "ping_interval": None}
_HEARD = "conversation.item.input_audio_transcription."


class RealtimeSpeechToText:
    """A `SpeechToText`."""

    def __init__(self, options: OpenAiOptions) -> None:
        self.name = options.name
        self.model = options.stt_model or DEFAULT_MODEL
        self.capabilities = SttCapabilities(
            languages=LANGUAGES,
            partials=True,
            streaming=True,
            detects_language=detects_language(self.model),
        )
        self.title = f"{options.title} {self.model}"
        self._options = options
        self._client = openai_client(options)
        self._parting: set[asyncio.Task[None]] = set()

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        if self._parting:
            await asyncio.wait(self._parting)
        await self._client.close()

    @asynccontextmanager
    async def open(self, hints: SttHints) -> AsyncIterator["RealtimeStream"]:
        """Begin one utterance; leaving closes the socket, and nobody waits for the other side's good-bye."""
        stream = RealtimeStream(self._client, self._options, self.model, hints)
        running = asyncio.create_task(stream.run())
        self._parting.add(running)
        running.add_done_callback(self._parting.discard)
        try:
            yield stream
        finally:
            stream.heard.end()
            running.cancel()


class RealtimeStream:
    """One utterance: what is pushed goes out in order, and each flush commits what went before."""

    def __init__(self, client: Lazily[Any], options: OpenAiOptions, model: str, hints: SttHints) -> None:
        self._client = client
        self._options = options
        self._model = model
        self._hints = hints
        self._found: list[str] = []  # languages, in the order in which they were heard
        self.heard = HeardQueue()
        self._items = Items()
        self._resampler = Resampler(STT_RATE_HZ, _RATE_HZ)
        self._outbox: deque[bytearray | int] = deque()  # audio at 16 kHz, and marks
        self._news = asyncio.Event()
        self._uncommitted_bytes = 0

    def push(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), _MOST_APPEND_BYTES):
            self._add(pcm[start : start + _MOST_APPEND_BYTES])
        self._news.set()

    def flush(self, mark: int) -> None:
        self._outbox.append(mark)
        self._news.set()

    def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        return aiter(self.heard)

    async def run(self) -> None:
        """Carry audio out and texts in until cancelled; how it fails is told to the reader."""
        try:
            await self._run()
        except VoiceServerError as error:
            self.heard.end(error)
        except Exception as error:
            broken = ProviderError("speech recognition failed.", stage="stt")
            broken.__cause__ = error
            self.heard.end(broken)

    async def _run(self) -> None:
        client = await self._client.get()
        try:
            async with client.realtime.connect(
                extra_query={"intent": "transcription"}, websocket_connection_options=_SOCKET
            ) as connection:
                await connection.session.update(session=self._session())
                sending = asyncio.create_task(self._send(connection))
                receiving = asyncio.create_task(self._receive(connection))
                try:
                    await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
                    # Where the socket breaks both may fail; what was received says more.
                    (receiving if receiving.done() else sending).result()
                finally:
                    sending.cancel()
                    receiving.cancel()
                    await asyncio.gather(sending, receiving, return_exceptions=True)
        except failures() as error:
            raise openai_error(error, "stt", self._options) from error

    def _session(self) -> dict[str, Any]:
        return {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": _RATE_HZ},
                    "transcription": {"model": self._model, **language_fields(self._model, self._hints)},
                    "turn_detection": None,  # when a turn ends is decided here
                }
            },
        }

    def _add(self, pcm: bytes) -> None:
        last = self._outbox[-1] if self._outbox else None
        if isinstance(last, bytearray) and len(last) + len(pcm) <= _MOST_APPEND_BYTES:
            last += pcm
        else:
            self._outbox.append(bytearray(pcm))

    async def _send(self, connection: Any) -> Never:
        while True:
            while self._outbox:
                match self._outbox.popleft():
                    case bytearray() as pcm:
                        await self._append(connection, self._resampler.push(bytes(pcm)))
                    case int(mark):
                        await self._append(connection, self._resampler.flush())
                        if self._uncommitted_bytes >= _LEAST_COMMIT_BYTES:
                            self._uncommitted_bytes = 0
                            self._items.commit()
                            await connection.input_audio_buffer.commit()
                        self._items.ask(mark)
                        self._answer()
            self._news.clear()
            await self._news.wait()

    async def _append(self, connection: Any, pcm: bytes) -> None:
        if pcm:
            self._uncommitted_bytes += len(pcm)
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

    async def _receive(self, connection: Any) -> Never:
        while True:
            event = json.loads(await connection.recv_bytes())
            match event["type"].removeprefix(_HEARD):
                case "input_audio_buffer.committed":
                    self._items.committed(event["item_id"])
                case "delta":
                    self._items.add(event["item_id"], event["delta"])
                    if text := self._text():
                        self.heard.put(PartialHeard(text))
                case "completed":
                    self._items.complete(event["item_id"], event["transcript"])
                    self._found += [one["code"] for one in event.get("languages") or ()]
                    self._answer()
                case "failed" | "error":
                    raise EventError(event["error"])
                case _:
                    pass  # news of the session

    def _answer(self) -> None:
        for mark in self._items.answered():
            language = heard_language(self._hints, self._found)
            self.heard.put(FinalHeard(Transcript(self._text(), language), mark))

    def _text(self) -> str:
        return self._items.text(heard_language(self._hints, self._found))
