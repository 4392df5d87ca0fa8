"""Writes one reply: asks the language model, runs its tools, tells the conversation what comes.

The conversation sees one reply, whatever number of times the model is asked between tool calls.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import assert_never

import structlog

from voice_server.core.events import Event, ReplyFailed, ReplyFinished, ReplyWritten
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.providers.base import (
    ChatMessage,
    LanguageModel,
    ReplyRequest,
    ReplyUsage,
    ServedBy,
    TextDelta,
    ToolCallDelta,
    ToolUse,
)
from voice_server.session.ears import Serve
from voice_server.session.tooling import Tooling

log = structlog.get_logger()

_MAY_BE_SPOKEN = (".", "!", "?", ",", ";", ":", "\n")
_STEPS_TO_THE_SOCKET = 4  # of the event loop, from words through the voice

MOST_ROUNDS = 8
"""How often a model may ask for tools within one reply."""


class Mind:
    """One reply's author."""

    def __init__(
        self,
        generation: int,
        llm: LanguageModel,
        request: ReplyRequest,
        emit: Callable[[Event], None],
        serve: Serve,
        tooling: Tooling,
        *,
        is_draft: bool = False,
    ) -> None:
        self._generation = generation
        self._llm = llm
        self._confirmed = asyncio.Event()
        if not is_draft:
            self._confirmed.set()
        self._request = request
        self._emit = emit
        self._serve = serve
        self._tooling = tooling

    def confirm(self) -> None:
        """The turn has begun: tools may run."""
        self._confirmed.set()

    async def run(self) -> None:
        """Write until the reply is whole or has failed."""
        try:
            await self._llm.warm()
            request = self._request
            for _ in range(MOST_ROUNDS):
                text, uses = await self._ask(request)
                if not uses:
                    self._emit(ReplyFinished(self._generation))
                    return
                asked = ChatMessage("assistant", text, tool_uses=tuple(uses))
                await self._confirmed.wait()  # a tool has effects, a draft must have none
                answers = await self._tooling.answers(uses)
                request = replace(request, messages=[*request.messages, asked, *answers])
            raise ProviderError("The model kept calling tools without answering.", stage="llm")
        except VoiceServerError as error:
            self._emit(ReplyFailed(self._generation, error))
        except Exception as error:
            log.exception("language model broke", provider=self._llm.name)
            broken = ProviderError("The language model failed.", stage="llm")
            broken.__cause__ = error
            self._emit(ReplyFailed(self._generation, broken))

    async def _ask(self, request: ReplyRequest) -> tuple[str, list[ToolUse]]:
        """One pass of the model: what it wrote, and the tools it wants."""
        text, uses = "", list[ToolUse]()
        async with aclosing(self._llm.reply(request)) as deltas:
            async for delta in deltas:
                match delta:
                    case TextDelta(piece):
                        text += piece
                        self._emit(ReplyWritten(self._generation, piece))
                        if piece.endswith(_MAY_BE_SPOKEN):
                            for _ in range(_STEPS_TO_THE_SOCKET):
                                await asyncio.sleep(0)  # a model that never waits must not hold up the voice
                    case ToolCallDelta(use):
                        uses.append(_told_apart(use, uses))
                    case ServedBy(name):
                        self._serve("llm", name)
                    case ReplyUsage():
                        pass
                    case _:
                        assert_never(delta)
        return text, uses


def _told_apart(use: ToolUse, others: Sequence[ToolUse]) -> ToolUse:
    """With an id of its own: some engines give one to several calls."""
    is_taken = any(use.call_id == other.call_id for other in others)
    return replace(use, call_id=f"{use.call_id}_{len(others)}") if is_taken else use
