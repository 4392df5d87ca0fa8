"""One utterance with Scribe in real time, on a WebSocket that the SDK opens."""

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.errors import VoiceServerError
from voice_server.providers.base import FinalHeard, PartialHeard, Transcript
from voice_server.providers.dropping import drop
from voice_server.providers.elevenlabs.client import ElevenLabsClient
from voice_server.providers.elevenlabs.errors import GarbledError, ToldError, elevenlabs_error
from voice_server.providers.heard import HeardQueue, joined
from voice_server.providers.registry import import_vendor

_LEAST_COMMIT_BYTES = bytes_of_ms(400, STT_RATE_HZ)  # the vendor refuses to commit less than 300 ms
_MOST_UNCOMMITTED_BYTES = bytes_of_ms(60_000, STT_RATE_HZ)  # at 90 s it commits by itself
_MESSAGE_BYTES = bytes_of_ms(1_000, STT_RATE_HZ)


class RealtimeUtterance:
    """An `SttStream`. A flush commits what came since the last; all commits' texts are the utterance."""

    def __init__(self, client: ElevenLabsClient, model: str, language: str | None) -> None:
        self._client = client
        self._model = model
        self._language = language
        self._work: deque[bytes | int] = deque()  # audio, and the marks of flushes
        self._has_work = asyncio.Event()
        self._uncommitted_bytes = 0
        self._commits: deque[int | None] = deque()  # unanswered; None: ours, for the length of it
        self._texts: list[str] = []
        self._heard = HeardQueue()
        # The SDK calls back and cannot be held; it brings a few messages a second.
        self._messages: asyncio.Queue[Mapping[str, Any] | Exception] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def push(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), _MESSAGE_BYTES):
            self._work.append(pcm[start : start + _MESSAGE_BYTES])
        self._has_work.set()

    def flush(self, mark: int) -> None:
        self._work.append(mark)
        self._has_work.set()

    def __aiter__(self) -> AsyncIterator[PartialHeard | FinalHeard]:
        return aiter(self._heard)

    async def leave(self) -> None:
        """Drop the socket."""
        await drop(self._task)
        self._heard.end()

    async def _run(self) -> None:
        try:
            while not self._work or isinstance(self._work[0], int):  # nothing was said yet
                if self._work:
                    self._answer(int(self._work.popleft()))
                else:
                    await self._some_work()
            await self._talk()
        except VoiceServerError as error:
            self._heard.end(error)
        except Exception as error:
            broken = elevenlabs_error(error, "stt")
            broken.__cause__ = error
            self._heard.end(broken)

    async def _talk(self) -> None:
        client = await self._client.get()
        vendor = import_vendor("elevenlabs.realtime", extra="elevenlabs")
        connection = await client.speech_to_text.realtime.connect(
            {
                "model_id": self._model,
                "audio_format": vendor.AudioFormat.PCM_16000,
                "sample_rate": STT_RATE_HZ,
                "commit_strategy": vendor.CommitStrategy.MANUAL,
                **({"language_code": self._language} if self._language else {}),
            }
        )
        try:
            for kind in vendor.RealtimeEvents:
                if kind is not vendor.RealtimeEvents.CLOSE:
                    connection.on(kind.value, self._messages.put_nowait)
            connection.on(vendor.RealtimeEvents.CLOSE.value, self._closed)
            sending = asyncio.create_task(self._send(connection))
            try:
                await self._read()
            finally:
                await drop(sending)  # of its failure the reader was told
        finally:
            connection.websocket.transport.abort()  # the SDK's close would wait for a good-bye
            await connection.close()

    def _closed(self, how: Mapping[str, Any]) -> None:
        self._messages.put_nowait(EOFError(f"the server closed the socket ({how['code']})"))

    async def _send(self, connection: Any) -> None:
        while True:
            await self._some_work()
            match self._work.popleft():
                case bytes() as pcm:
                    await self._send_audio(connection, pcm)
                    if self._uncommitted_bytes >= _MOST_UNCOMMITTED_BYTES:
                        await self._commit(connection, None)
                case mark:
                    await self._commit(connection, mark)

    async def _send_audio(self, connection: Any, pcm: bytes) -> None:
        await connection.send({"audio_base_64": base64.b64encode(pcm).decode()})
        self._uncommitted_bytes += len(pcm)

    async def _commit(self, connection: Any, mark: int | None) -> None:
        if self._uncommitted_bytes == 0:
            if self._commits:
                self._commits[-1] = mark  # what is under way covers everything
            elif mark is not None:
                self._answer(mark)
            return
        if (missing := _LEAST_COMMIT_BYTES - self._uncommitted_bytes) > 0:
            await self._send_audio(connection, bytes(missing))
        self._uncommitted_bytes = 0
        self._commits.append(mark)
        await connection.commit()

    async def _read(self) -> None:
        while True:
            message = await self._messages.get()
            if isinstance(message, Exception):
                raise message
            match message.get("message_type"):
                case "partial_transcript":
                    self._heard.put(PartialHeard(self._joined(message["text"])))
                case "committed_transcript":
                    self._texts.append(message["text"])
                    mark = self._commits.popleft() if self._commits else None
                    if mark is not None:
                        self._answer(mark)
                case "session_started":
                    pass
                case None:  # the SDK's own, for what it could not parse or receive
                    raise _sdk_error(message)
                case str(kind):
                    if "transcript" not in kind:
                        raise ToldError(kind)
                case _:
                    raise GarbledError("a message without a type")

    async def _some_work(self) -> None:
        while not self._work:
            self._has_work.clear()
            await self._has_work.wait()

    def _answer(self, mark: int) -> None:
        self._heard.put(FinalHeard(Transcript(self._joined(""), self._language), mark))

    def _joined(self, more: str) -> str:
        return joined([*self._texts, more], self._language)


def _sdk_error(message: Mapping[str, Any]) -> Exception:
    told = str(message.get("error", ""))
    if told.startswith("Failed to parse"):
        return GarbledError("a message is not JSON")
    return EOFError("the connection broke")
