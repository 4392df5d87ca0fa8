"""One typed turn: the model writes, somebody reads, what was said is kept.

It is a task of its own, so that a caller who goes away can end it at once and what was said by then is still
kept. Nothing is kept of a turn that fails before the model has said anything.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import assert_never

import structlog

from voice_server.clock import Clock, Instant
from voice_server.errors import ProviderError, ProviderUnavailable, VoiceServerError
from voice_server.ids import ConversationId, MessageId, new_message_id
from voice_server.providers.base import (
    LanguageModel,
    ReplyRequest,
    ReplyUsage,
    ServedBy,
    TextDelta,
    ToolCallDelta,
)
from voice_server.providers.metered import Bill
from voice_server.services.stops import StopCutter
from voice_server.store.conversations import ConversationStore, NewConversation, NewMessage

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a turn is kept: in a conversation that is there, or in one that begins with it."""

    conversations: ConversationStore
    owner: str
    conversation_id: ConversationId
    said: Sequence[NewMessage]
    beginning: NewConversation | None = None

    async def keep_said(self) -> None:
        """Keep what the user said."""
        beginning = self.beginning
        await self.conversations.add(self.owner, self.conversation_id, self.said, beginning=beginning)

    async def keep_reply(self, reply: NewMessage) -> None:
        """Keep the reply."""
        await self.conversations.add(self.owner, self.conversation_id, [reply])


class Turn:
    """A turn under way. Read `pieces` or wait for `whole`; `cancel` when nobody reads any more.

    `model` and `provider` are who really answers, from the first piece on.
    """

    def __init__(
        self,
        keeping: Keeping,
        model: LanguageModel,
        bill: Bill,
        request: ReplyRequest,
        cutter: StopCutter,
        clock: Clock,
    ) -> None:
        self.message_id: MessageId = new_message_id()
        self.model, self.provider = model.model, model.name
        self.usage: ReplyUsage | None = None
        self._keeping = keeping
        self._llm = model
        self._bill = bill
        self._request = request
        self._cutter = cutter
        self._clock = clock
        self._text = ""
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._is_keeping = self._is_left = False
        self._began = clock.now()
        self._first_token: Instant | None = None

    @property
    def conversation_id(self) -> ConversationId:
        """The conversation it is in."""
        return self._keeping.conversation_id

    @property
    def text(self) -> str:
        """The reply so far."""
        return self._text

    @property
    def is_cut_by_length(self) -> bool:
        """Whether the model stopped because the reply may not be longer."""
        most = self._request.max_tokens
        return most is not None and self.usage is not None and self.usage.completion_tokens >= most

    def start(self, when_over: Callable[["Turn"], None]) -> None:
        """Ask the model."""
        self._task = asyncio.create_task(self._run(), name=f"{self.message_id} turn")

        def end(task: asyncio.Task[None]) -> None:
            self._pieces.put_nowait(None)  # here: a task that is cancelled at once never runs
            if not task.cancelled():
                task.exception()  # who reads the pieces is told; maybe nobody does any more
            when_over(self)

        self._task.add_done_callback(end)

    def cancel(self) -> None:
        """Nobody reads any more: stop the model. What was said by then is kept."""
        self._is_left = True
        if self._task is not None and not self._is_keeping:  # else once that is done
            self._task.cancel()

    async def over(self) -> None:
        """Until nothing more is done for it."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def pieces(self) -> AsyncGenerator[str, None]:
        """The reply as it is written. Once it ends, it is kept.

        Raises:
            VoiceServerError: the model failed, or the reply could not be kept.
        """
        assert self._task is not None
        while (piece := await self._pieces.get()) is not None:
            yield piece
        if self._task.cancelled():
            raise ProviderUnavailable("The server stops; ask again in a moment.", stage="llm")
        self._task.result()

    async def whole(self) -> str:
        """The whole reply, kept.

        Raises:
            VoiceServerError: the model failed, or the reply could not be kept.
        """
        async for _ in self.pieces():
            pass
        return self._text

    async def _run(self) -> None:
        try:
            await self._write()
            if not self._text:
                raise ProviderError("The language model said nothing.", stage="llm")
        except (asyncio.CancelledError, VoiceServerError):
            await self._keep_reply(is_complete=False)
            raise
        except Exception as error:
            log.exception("language model broke", provider=self.provider)
            await self._keep_reply(is_complete=False)
            raise ProviderError("The language model failed.", stage="llm") from error
        else:
            await self._keep_reply(is_complete=True)

    async def _write(self) -> None:
        await self._llm.warm()
        async with aclosing(self._llm.reply(self._request)) as deltas:
            async for delta in deltas:
                match delta:
                    case TextDelta(text):
                        await self._say(self._cutter.feed(text))
                        if self._cutter.has_stopped:
                            return
                    case ReplyUsage():
                        self.usage = delta
                    case ServedBy(name):
                        self.provider, _, self.model = name.partition("/")
                    case ToolCallDelta():
                        pass  # none were offered
                    case _:
                        assert_never(delta)
        await self._say(self._cutter.rest())

    async def _say(self, piece: str) -> None:
        if not piece:
            return
        if not self._text:
            self._first_token = self._clock.now()
            with self._uncut():
                await self._keeping.keep_said()
        self._text += piece
        self._pieces.put_nowait(piece)
        if self._is_left:
            raise asyncio.CancelledError

    async def _keep_reply(self, *, is_complete: bool) -> None:
        if self._first_token is None or not self._text:
            return
        timings = {
            "llm_first_token_ms": round(self._first_token - self._began, 1),
            "response_ms": round(self._clock.now() - self._began, 1),
        }
        reply = NewMessage(
            "assistant",
            self._text,
            is_complete=is_complete,
            cost=self._bill.take_turn(),
            timings=timings,
            providers={"llm": f"{self.provider}/{self.model}"},
            id=self.message_id,
        )
        with self._uncut():
            await self._keeping.keep_reply(reply)

    @contextmanager
    def _uncut(self) -> Iterator[None]:
        """What is being kept is not cut off by a reader who leaves."""
        self._is_keeping = True
        try:
            yield
        finally:
            self._is_keeping = False
