"""Writes one reply: asks the language model, runs its tools, tells the conversation what comes.

The conversation sees one reply, whatever number of times the model is asked between tool calls.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from voice_server.core.events import Event, ReplyFailed, ReplyFinished, ReplyWritten, ToolCalled
from voice_server.errors import ProviderError, ProviderTimeout, VoiceServerError
from voice_server.providers.base import (
    ChatMessage,
    LanguageModel,
    ReplyRequest,
    ReplyUsage,
    TextDelta,
    ToolCallDelta,
    ToolUse,
)
from voice_server.session.limits import Deadlines

log = structlog.get_logger()

MOST_ROUNDS = 8
"""How often a model may ask for tools within one reply."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What came of a tool call."""

    output: str
    is_error: bool = False


class Mind:
    """One reply's author."""

    def __init__(
        self,
        generation: int,
        llm: LanguageModel,
        request: ReplyRequest,
        emit: Callable[[Event], None],
        deadlines: Deadlines,
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
        self._deadlines = deadlines
        self._awaited: dict[str, asyncio.Future[ToolOutcome]] = {}

    def confirm(self) -> None:
        """The turn has begun: tools may run."""
        self._confirmed.set()

    def deliver(self, call_id: str, outcome: ToolOutcome) -> None:
        """The client's answer to a tool call; one that nobody waits for is ignored."""
        future = self._awaited.get(call_id)
        if future is not None and not future.done():
            future.set_result(outcome)

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
                answers = [await self._call(use) for use in uses]
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
        allowed_ms = self._deadlines.llm_first_token_ms
        async with aclosing(self._llm.reply(request)) as deltas:
            while True:
                try:
                    async with asyncio.timeout(allowed_ms / 1000):
                        delta = await anext(deltas, None)
                except TimeoutError as error:
                    late = f"The language model was silent for {allowed_ms / 1000:g} s."
                    raise ProviderTimeout(late, stage="llm") from error
                allowed_ms = self._deadlines.llm_gap_ms
                match delta:
                    case TextDelta(piece):
                        text += piece
                        self._emit(ReplyWritten(self._generation, piece))
                    case ToolCallDelta(use):
                        uses.append(use)
                    case ReplyUsage():
                        pass
                    case None:
                        return text, uses

    async def _call(self, use: ToolUse) -> ChatMessage:
        """Have the client run a tool; unanswered, it counts as failed."""
        future = self._awaited[use.call_id] = asyncio.get_running_loop().create_future()
        self._emit(ToolCalled(self._generation, use.call_id, use.name, use.arguments))
        try:
            async with asyncio.timeout(self._deadlines.tool_ms / 1000):
                outcome = await future
        except TimeoutError:
            outcome = ToolOutcome("The tool did not answer in time.", is_error=True)
        finally:
            del self._awaited[use.call_id]
        content = json.dumps({"error": outcome.output}) if outcome.is_error else outcome.output
        return ChatMessage("tool", content, call_id=use.call_id)
