"""A server that speaks the native wire from a script: real sockets, the real codec, no voice behind."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from voice_server.core.wire import (
    AiResponse,
    AudioEnd,
    AudioOut,
    AudioStart,
    End,
    EndReason,
    Established,
    Init,
    InitAck,
    Input,
    MessageChunk,
    Metrics,
    Output,
    Ping,
    Pong,
    SessionEnded,
    TranscriptionOut,
)
from voice_server.dialects.native import NativeDialect
from voice_server.ids import ConversationId, MessageId, SessionId, TurnId

SESSION, CONVERSATION = SessionId("sess_1"), ConversationId("conv_1")

Script = Callable[["ScriptedServer", Input], Awaitable[None]]


def reply(
    turn: str, words: tuple[str, ...] = ("Hello ", "there."), transcript: str | None = None
) -> list[Output]:
    """A whole turn: one chunk of sound a word."""
    turn_id, message_id = TurnId(turn), MessageId("msg_1")
    outputs: list[Output] = []
    if transcript is not None:
        outputs.append(TranscriptionOut(turn_id, transcript, "en", 0.9))
    outputs.append(AudioStart(turn_id, "pcm16", 24000))
    for index, word in enumerate(words):
        outputs.append(
            MessageChunk(turn_id, CONVERSATION, message_id, word, is_final=index == len(words) - 1)
        )
        outputs.append(AudioOut(turn_id, word.encode(), index, 20.0))
    outputs.append(AiResponse(turn_id, CONVERSATION, message_id, "".join(words)))
    outputs.append(AudioEnd(turn_id, 20.0 * len(words), EndReason.COMPLETED))
    outputs.append(metrics(turn))
    return outputs


def metrics(turn: str) -> Metrics:
    return Metrics(TurnId(turn), None, 20.0, 30.0, 40.0, 90.0, {"llm": "local"})


class ScriptedServer:
    """One session, over as many connections as the client makes. `script` answers what it does not itself."""

    def __init__(self) -> None:
        self.url = ""
        self.transport = "json"
        self.resumable = True
        self.heard: list[Input] = []
        self.api_keys: list[str | None] = []
        self.before_ack: list[Output] = []
        self.refusal: tuple[Output, int] | None = None
        self.script: Script = self._say_nothing
        self.connections: list[ServerConnection] = []
        self._dialect = NativeDialect()
        self._log: list[Output] = []

    async def tell(self, *outputs: Output) -> None:
        """Send, and keep for replay."""
        for output in outputs:
            self._log.append(output)
            with contextlib.suppress(ConnectionClosed):  # lost: the replay brings it
                await self._send(output, len(self._log))

    async def until_dropped(self) -> None:
        await self.connections[-1].wait_closed()

    async def serve_one(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        self._dialect = NativeDialect()
        await self._send(Established(SESSION), 0)
        with contextlib.suppress(ConnectionClosed):
            while True:
                (said,) = self._dialect.decode(await connection.recv())
                self.heard.append(said)
                await self._answer(connection, said)

    async def _answer(self, connection: ServerConnection, said: Input) -> None:
        match said:
            case Init():
                await self._begin(connection, said)
            case Ping(timestamp=timestamp):
                await self.tell(Pong(timestamp))
            case End():
                await self.tell(SessionEnded("client_done"))
                await connection.close(1000)
            case _:
                await self.script(self, said)

    async def _begin(self, connection: ServerConnection, said: Init) -> None:
        self.api_keys.append(said.api_key)
        if self.refusal is not None:
            error, close_code = self.refusal
            await self._send(error, 0)
            await connection.close(close_code)
            return
        for output in self.before_ack:
            await self._send(output, 0)
        token = f"token {len(self.connections)}"
        config: dict[str, Any] = {"output_audio": {"transport": self.transport}}
        if said.resume is not None and self.resumable:
            assert said.resume.token == f"token {len(self.connections) - 1}"
            await self._send(InitAck("u", CONVERSATION, SESSION, config, token, resumed=True), 0)
            for seq in range(said.resume.last_seq + 1, len(self._log) + 1):
                await self._send(self._log[seq - 1], seq)
            return
        self._log.clear()
        session = SessionId(f"sess_{len(self.connections)}")
        await self.tell(InitAck("u", CONVERSATION, session, config, token))

    async def _send(self, output: Output, seq: int) -> None:
        (message,) = self._dialect.encode(output, seq)
        await self.connections[-1].send(message)

    @staticmethod
    async def _say_nothing(server: "ScriptedServer", said: Input) -> None:
        pass
