"""All tools of a server: who may use which, and what a call comes to."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import structlog

from voice_server.core.caller import Caller, Tier
from voice_server.core.wire import ToolSpec
from voice_server.errors import ConfigurationError, ToolError
from voice_server.tools.base import Tool, ToolOutcome, ToolSource

log = structlog.get_logger()

EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class ToolRules:
    """Which tools a caller may use, by patterns such as `weather_*`. A key's own patterns come first."""

    without_key: tuple[str, ...] = EVERYTHING
    by_tier: Mapping[Tier, tuple[str, ...]] = field(default_factory=dict)

    def allow(self, caller: Caller, name: str) -> bool:
        """Whether this caller may use the tool of this name."""
        if caller.tools is not None:
            return _is_among(name, caller.tools)
        if caller.tier is None:
            return _is_among(name, self.without_key)
        return _is_among(name, self.by_tier.get(caller.tier, EVERYTHING))


class ToolBox:
    """The tools of every source. Of two with one name the first counts.

    Args:
        most_bytes: what of a tool's answer reaches the language model.

    Raises:
        ConfigurationError: two tools that are there from the start have the same name.
    """

    def __init__(
        self, sources: Sequence[ToolSource] = (), rules: ToolRules | None = None, most_bytes: int = 16_384
    ) -> None:
        self._sources = sources
        self._rules = rules or ToolRules()
        self._most_bytes = most_bytes
        names = [tool.spec.name for source in sources for tool in source.tools]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"two tools have the name {twice[0]!r}: rename one of them.")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, what is elsewhere is connected to and kept connected."""
        try:
            for source in self._sources:
                await source.open()
            yield
        finally:  # side by side: one that does not end by itself takes seconds
            await asyncio.gather(*(source.close() for source in self._sources))

    def offered_to(self, caller: Caller, only: Sequence[str] | None = None) -> tuple[ToolSpec, ...]:
        """The tools that this caller may use now; `only`: patterns that narrow them further."""
        return tuple(
            tool.spec
            for name, tool in self._tools.items()
            if self._rules.allow(caller, name) and (only is None or _is_among(name, only))
        )

    async def run(self, name: str, arguments: str) -> ToolOutcome:
        """Call a tool with JSON text. Never raises, but when it is cancelled."""
        try:
            answer = await self._tool(name).run(_read(arguments))
        except ToolError as error:
            return ToolOutcome(self._cut(error.message), is_error=True)
        except Exception:  # a tool is anybody's code, and a reply goes on without it
            log.exception("tool broke", tool=name)
            return ToolOutcome("The tool failed.", is_error=True)
        return ToolOutcome(self._cut(answer))

    @property
    def _tools(self) -> dict[str, Tool]:
        tools: dict[str, Tool] = {}
        for source in self._sources:
            for tool in source.tools:
                tools.setdefault(tool.spec.name, tool)
        return tools

    def _tool(self, name: str) -> Tool:
        if (tool := self._tools.get(name)) is None:
            raise ToolError("The tool is out of reach just now.")
        return tool

    def _cut(self, answer: str) -> str:
        whole = answer.encode()
        if len(whole) <= self._most_bytes:
            return answer
        kept = whole[: self._most_bytes].decode(errors="ignore")
        return f"{kept}\n[cut: this is the beginning of an answer that was too long]"


def _read(arguments: str) -> dict[str, Any]:
    try:
        read = json.loads(arguments or "{}")
    except ValueError as error:
        raise ToolError("The arguments are not JSON.") from error
    if not isinstance(read, dict):
        raise ToolError("The arguments are not a JSON object.")
    return read


def _is_among(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
