"""The tools of one reply: the server's are run here, the client's by the client."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from voice_server.core.events import Event, ToolCalled
from voice_server.core.wire import ToolSpec
from voice_server.providers.base import ChatMessage, ToolUse
from voice_server.tools.base import ToolOutcome
from voice_server.tools.box import ToolBox


class Tooling:
    """Answers the model's wishes for tools. A failure is an answer too: the model is told of it.

    Args:
        server, client: what the model may call; a name that is in both is the server's.
        deadline_ms: how long a call may take.
        waiting: entered while a call is under way.
    """

    def __init__(
        self,
        generation: int,
        box: ToolBox,
        server: Sequence[ToolSpec],
        client: Sequence[ToolSpec],
        emit: Callable[[Event], None],
        deadline_ms: float,
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._generation = generation
        self._box = box
        self._server = {tool.name for tool in server}
        self._client = {tool.name for tool in client}
        self._emit = emit
        self._deadline_ms = deadline_ms
        self._waiting = waiting
        self._awaited: dict[str, asyncio.Future[ToolOutcome]] = {}

    def deliver(self, call_id: str, outcome: ToolOutcome) -> None:
        """The client's answer to a tool call; one that nobody waits for is ignored."""
        future = self._awaited.get(call_id)
        if future is not None and not future.done():
            future.set_result(outcome)

    async def answers(self, uses: Sequence[ToolUse]) -> list[ChatMessage]:
        """Run the tools side by side; give their answers in the order of the wishes."""
        calls = [asyncio.create_task(self._answer(use)) for use in uses]
        try:
            with self._waiting():
                await asyncio.wait(calls)
            return [call.result() for call in calls]
        finally:
            for call in calls:
                call.cancel()

    async def _answer(self, use: ToolUse) -> ChatMessage:
        try:
            async with asyncio.timeout(self._deadline_ms / 1000):
                outcome = await self._run(use)
        except TimeoutError:
            outcome = ToolOutcome("The tool did not answer in time.", is_error=True)
        content = json.dumps({"error": outcome.output}) if outcome.is_error else outcome.output
        return ChatMessage("tool", content, call_id=use.call_id)

    async def _run(self, use: ToolUse) -> ToolOutcome:
        if use.name in self._server:
            return await self._box.run(use.name, use.arguments)
        if use.name not in self._client:
            return ToolOutcome("There is no tool of this name.", is_error=True)
        future: asyncio.Future[ToolOutcome] = asyncio.get_running_loop().create_future()
        self._awaited[use.call_id] = future
        self._emit(ToolCalled(self._generation, use.call_id, use.name, use.arguments))
        try:
            return await future
        finally:
            del self._awaited[use.call_id]
