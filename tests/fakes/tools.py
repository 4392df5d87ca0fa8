"""Tools that do what a test says; they wait by the event loop's clock."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from voice_server.core.wire import ToolSpec
from voice_server.tools.base import Tool


class ScriptedTool:
    """Answers after a while, or fails, or neither. `calls` keeps the arguments, `cancelled` counts cuts."""

    def __init__(
        self, name: str, answer: str = "done", *, seconds: float = 0.0, fails: Exception | None = None
    ) -> None:
        self.spec = ToolSpec(name, f"Does {name}.", {"type": "object", "properties": {}})
        self.calls: list[Mapping[str, Any]] = []
        self.cancelled = 0
        self._answer, self._seconds, self._fails = answer, seconds, fails

    async def run(self, arguments: Mapping[str, Any]) -> str:
        self.calls.append(arguments)
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._fails is not None:
            raise self._fails
        return self._answer


class Tools:
    """A `ToolSource`; `tools` may change while it is in use."""

    def __init__(self, *tools: Tool) -> None:
        self.tools: Sequence[Tool] = tools
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False
