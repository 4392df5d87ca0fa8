"""The client: one session of talking with a voice server.

async with VoiceClient.connect("ws://localhost:6789") as client:
    await client.send_text("Good morning")
    turn = await client.turn()
    print(turn.reply, len(turn.audio))
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self, Unpack

import msgspec

from voice_server.client.errors import ConnectionLost
from voice_server.client.frames import Error, InitAck, ServerFrame, ToolCall
from voice_server.client.link import Arrival, Finished, Link, Timeouts, server_error
from voice_server.client.sender import Sender, SessionFields, encode
from voice_server.client.turn import TurnCollector, TurnResult
from voice_server.dialects.native import frames

OnToolCall = Callable[[ToolCall], Awaitable[str]]


class VoiceClient(Sender):
    """One session. Make it with `connect` and enter it with `async with`; leaving it closes with 1000.

    What it can say is in `Sender`. One task may send while another iterates.
    """

    def __init__(
        self, url: str, init: frames.InitFrame, headers: Mapping[str, str], timeouts: Timeouts
    ) -> None:
        self._init = init
        self._timeouts = timeouts
        super().__init__(Link(url, headers, timeouts))
        self._held: deque[Arrival] = deque()  # frames `turn` came across that belong to a later turn
        self._past_turns: set[str] = set()
        self._ack: InitAck | None = None

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        user_id: str | None = None,
        conversation_id: str | None = None,
        greeting: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        **session: Unpack[SessionFields],
    ) -> Self:
        """Describe a session with the server at `url`, such as `ws://localhost:6789`; entering it connects.

        `greeting` is spoken by the server at once. `headers` go with the upgrade (an `Authorization`, say).

        Raises:
            msgspec.ValidationError: a field of `session` is not what the protocol allows.
        Entering raises:
            ServerError: the server refused the session (a wrong key, over a limit).
            ConnectionLost: nobody listens, or the upgrade was refused.
            ServerTimeout: no answer in time.
        """
        init = msgspec.convert(
            {
                "type": "init",
                "api_key": api_key,
                "user_id": user_id,
                "conversation_id": conversation_id,
                "greeting": greeting,
                **session,
            },
            frames.InitFrame,
        )
        return cls(url, init, headers or {}, timeouts or Timeouts())

    async def __aenter__(self) -> Self:
        self._ack = await self._link.open(encode(self._init))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    # ── What is known ────────────────────────────────────────────────────────────────────────────

    @property
    def init_ack(self) -> InitAck:
        """The server's latest answer to `init`: ids, and the settings in force then."""
        if self._ack is None:
            raise ConnectionLost("The client is not connected. Enter it with `async with` first.")
        return self._ack

    @property
    def session_id(self) -> str:
        return self.init_ack.session_id

    @property
    def conversation_id(self) -> str:
        return self.init_ack.conversation_id

    @property
    def last_seq(self) -> int:
        """The number of the last message that came."""
        return self._link.last_seq

    # ── Ending and listening ──────────────────────────────────────────────────────────────────────

    async def end(self) -> None:
        """Say goodbye and wait until the server has closed; frames that came until then can still be read.

        Raises:
            ServerTimeout: the server did not close in time.
        """
        await self._send(frames.EndFrame())
        await self._link.wait_closed()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerFrame:
        """The next frame. The iteration ends when the server closes with 1000.

        Raises:
            ConnectionLost: the connection broke; after `resume` a new `async for` goes on where this one was.
            ServerTimeout: no frame within `Timeouts.frame_s`.
            ProtocolViolation: the server's messages cannot be read, or their numbers have a gap.
        """
        try:
            return (await self._receive(self._timeouts.frame_s)).frame
        except Finished:
            raise StopAsyncIteration from None

    async def turn(self, *, timeout_s: float = 60.0, on_tool_call: OnToolCall | None = None) -> TurnResult:
        """Collect the next turn, until its `metrics`. Frames of no turn are skipped, of later turns kept.

        `on_tool_call` answers the model's calls; what it raises is sent as the tool's failure.

        Raises:
            ServerError: the server refused a frame, so that no turn will come of it.
            ConnectionLost: the connection broke, or the server closed it, within the turn.
            ServerTimeout: the turn was not over in `timeout_s`.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        collector = TurnCollector()
        later: list[Arrival] = []
        try:
            while True:
                arrival = await self._receive(max(0.0, deadline_s - loop.time()))
                frame = arrival.frame
                turn_id = getattr(frame, "turn_id", None)
                if turn_id in self._past_turns:
                    continue  # the last of an earlier reply was cut while it was still being heard
                if not collector.belongs(frame):
                    if turn_id is not None:
                        later.append(arrival)
                    continue
                if isinstance(frame, Error) and turn_id is None and frame.stage in ("protocol", "auth"):
                    raise server_error(frame)
                if isinstance(frame, ToolCall) and on_tool_call is not None:
                    await self._answer(frame, on_tool_call)
                result = collector.add(frame, arrival.at_s)
                if result is not None:
                    self._past_turns.add(result.turn_id)
                    return result
        except Finished:
            raise ConnectionLost("The server ended the session within the turn.", close_code=1000) from None
        finally:
            self._held.extendleft(reversed(later))

    # ── Losing and finding the connection ────────────────────────────────────────────────────────

    def drop(self) -> None:
        """Cut the TCP connection as a lost network does. Iterators wait for `resume`."""
        self._link.abort()

    async def resume(self) -> bool:
        """Connect again and go on with the session: frames continue where they broke off.

        False where the server could not: it is a new session of the same conversation then, without the lost
        frames. Either way the input stream is closed.

        Raises:
            ServerError, ConnectionLost, ServerTimeout: as on entering.
        """
        ack = self.init_ack
        wish = {"session_id": ack.session_id, "token": ack.resume_token, "last_seq": self._link.last_seq}
        init = msgspec.structs.replace(
            self._init, conversation_id=ack.conversation_id, greeting=None, resume=wish
        )
        self._ack = await self._link.open(encode(init))
        self._stream_open = False
        return self._ack.resumed

    # ── Inside ───────────────────────────────────────────────────────────────────────────────────

    async def _receive(self, timeout_s: float) -> Arrival:
        return self._held.popleft() if self._held else await self._link.receive(timeout_s)

    async def _answer(self, call: ToolCall, on_tool_call: OnToolCall) -> None:
        try:
            output = await on_tool_call(call)
        except Exception as error:
            await self.tool_result(call.call_id, str(error) or type(error).__name__, is_error=True)
        else:
            await self.tool_result(call.call_id, output)
