"""The tools of servers that speak the Model Context Protocol, over stdio or streamable HTTP.

Each server is connected to in the background, asked for its tools now and then, and connected to again when
it is gone; until then its tools are not offered. Needs the extra `mcp`, which is imported when a server is
named.
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import structlog

from voice_server.core.wire import ToolSpec
from voice_server.errors import ConfigurationError, ToolError
from voice_server.tools.base import Tool

if TYPE_CHECKING:
    import mcp
    from mcp import types

log = structlog.get_logger()

_CONNECT_S = 20.0
_CLOSE_S = 8.0  # the library gives a server that does not end by itself four seconds
_REFRESH_S = 30.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0  # between attempts to connect
_MOST_TOOLS = 200
_LONGEST_NAME = 64
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class McpAddress:
    """Where a server is: a `command` that is started, or a `url`. `name` goes before the names of its tools.

    `environment` is added to the few variables that the command inherits; it and `headers` may hold secrets.
    """

    name: str
    command: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class McpTool:
    """One tool of one connection."""

    def __init__(self, server: "McpServer", client: "mcp.Client", tool: "types.Tool") -> None:
        name = _NOT_IN_A_NAME.sub("_", f"{server.name}_{tool.name}")[:_LONGEST_NAME]
        self.spec = ToolSpec(name, tool.description or tool.title or tool.name, tool.input_schema)
        self._server = server
        self._client = client
        self._name = tool.name

    async def run(self, arguments: Mapping[str, Any]) -> str:
        from mcp import MCPError

        try:
            result = await self._client.call_tool(self._name, dict(arguments))
        except MCPError as error:
            self._server.doubt()
            raise ToolError(f"The tool's server failed: {error.message}.") from error
        except Exception as error:  # the connection is gone, and the library does not say by what
            self._server.doubt()
            raise ToolError("The tool's server cannot be reached.") from error
        if result.is_error:
            raise ToolError(_text(result) or "The tool failed.")
        return _text(result)


class McpServer:
    """The `ToolSource` of one server.

    Raises:
        ConfigurationError: the extra is not installed.
    """

    def __init__(self, address: McpAddress, refresh_s: float = _REFRESH_S) -> None:
        if find_spec("mcp") is None:
            raise ConfigurationError(
                f"the MCP server {address.name!r} needs a package that is not installed; run "
                "`pip install 'voice-server[mcp]'`."
            )
        self.name = address.name
        self.tools: Sequence[Tool] = ()
        self._address = address
        self._refresh_s = refresh_s
        self._news = asyncio.Event()  # the server's tools may have changed, or it may be gone
        self._end = asyncio.Event()
        self._living: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._living = asyncio.create_task(self._live(), name=f"mcp {self.name}")

    async def close(self) -> None:
        """Say good-bye; a server that does not listen is ended."""
        if self._living is None:
            return
        self._end.set()
        self._news.set()
        # Not cancelled at once: the library ends the server's process while it leaves.
        _, late = await asyncio.wait({self._living}, timeout=_CLOSE_S)
        for task in late:
            task.cancel()
            await asyncio.wait({task})

    def doubt(self) -> None:
        """A call failed: find out whether the server is still there."""
        self._news.set()

    async def _live(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._end.is_set():
            began_s = asyncio.get_running_loop().time()
            try:
                await self._connect()
            except Exception as error:  # of the library, of the system, or groups of them
                log.warning("mcp server lost", server=self.name, error=type(error).__name__)
            finally:
                self.tools = ()
            if self._end.is_set():
                return
            lasted_s = asyncio.get_running_loop().time() - began_s
            wait_s = _FIRST_WAIT_S if lasted_s > _LONGEST_WAIT_S else min(wait_s * 2, _LONGEST_WAIT_S)
            await self._wait_for_news(wait_s, only_the_end=True)

    async def _connect(self) -> None:
        """Be connected until the server is gone or the end has come."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_CONNECT_S):
                client = await stack.enter_async_context(self._client(stack))
                await self._refresh(client)
            log.info("mcp server connected", server=self.name, tools=len(self.tools))
            while not self._end.is_set():
                await self._wait_for_news(self._refresh_s)
                if not self._end.is_set():
                    async with asyncio.timeout(_CONNECT_S):
                        await self._refresh(client)

    def _client(self, stack: AsyncExitStack) -> "mcp.Client":
        # Imported here: it takes most of a second, and only those pay it who name a server.
        import httpx2
        import mcp
        from mcp.client.streamable_http import streamable_http_client

        address = self._address
        transport: Any
        if address.command:
            transport = mcp.stdio_client(
                mcp.StdioServerParameters(
                    command=address.command, args=list(address.arguments), env=dict(address.environment)
                ),
                errlog=sys.__stderr__ or sys.stderr,
            )
        else:
            http = httpx2.AsyncClient(
                headers=dict(address.headers),
                timeout=httpx2.Timeout(_CONNECT_S, read=None),  # calls have a deadline of their own
                trust_env=False,
            )
            stack.push_async_callback(http.aclose)
            transport = streamable_http_client(address.url, http_client=http)
        return mcp.Client(transport, message_handler=self._listen, cache=None)

    async def _refresh(self, client: "mcp.Client") -> None:
        told: list[types.Tool] = []
        cursor: str | None = None
        while len(told) < _MOST_TOOLS:
            page = await client.list_tools(cursor=cursor)
            told += page.tools
            if (cursor := page.next_cursor) is None:
                break
        self.tools = tuple(McpTool(self, client, tool) for tool in told[:_MOST_TOOLS])

    async def _listen(self, message: object) -> None:
        from mcp import types

        if isinstance(message, types.ToolListChangedNotification):
            self._news.set()

    async def _wait_for_news(self, most_s: float, *, only_the_end: bool = False) -> None:
        deadline_s = asyncio.get_running_loop().time() + most_s
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline_s):
                while True:
                    await self._news.wait()
                    self._news.clear()
                    if self._end.is_set() or not only_the_end:
                        return


def _text(result: "types.CallToolResult") -> str:
    """What the model can read of it."""
    from mcp import types

    texts = [
        part.text if isinstance(part, types.TextContent) else f"[{part.type}, which cannot be read aloud]"
        for part in result.content
    ]
    if not texts and result.structured_content is not None:
        return json.dumps(result.structured_content)
    return "\n".join(texts)
