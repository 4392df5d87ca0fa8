"""What a tool is and where tools come from.

A tool answers with text for the language model. It fails by `ToolError`, whose sentence the model is told;
whatever else it raises is a fault of its own, and the model is told only that it failed. Cancelling a call
takes effect at once for the caller; deadlines are the caller's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from voice_server.core.wire import ToolSpec


class Tool(Protocol):
    """Something a language model may call."""

    @property
    def spec(self) -> ToolSpec:
        """Its name, what it is for, and what it takes."""
        ...

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Do it, and say what came of it.

        Raises:
            ToolError: it cannot be done; the sentence is for the model.
        """
        ...


class ToolSource(Protocol):
    """Where tools come from. `open` does not wait for what is elsewhere; `close` frees everything, even
    of one that was never opened."""

    @property
    def tools(self) -> Sequence[Tool]:
        """Those that can be called now."""
        ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What came of a call, as the language model is told."""

    output: str
    is_error: bool = False
