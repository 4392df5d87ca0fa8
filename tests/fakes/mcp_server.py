"""A real MCP server, as a process of its own: `mcp_server.py stdio`, or `mcp_server.py http PORT [TOKEN]`.

Over HTTP with a token, whoever does not bear it is refused.
"""

import asyncio
import os
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("demo")


@server.tool()
def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


@server.tool(name="say it.loud")
def say_it_loud(words: str) -> str:
    """Say words loudly."""
    return words.upper()


@server.tool()
def secret() -> str:
    """Tell what is in the environment."""
    return f"{os.environ.get('DEMO_SECRET')} {os.environ.get('VOICE_SERVER_DEMO')}"


@server.tool()
def refuse() -> str:
    """Refuse."""
    raise ToolError("not today")


@server.tool()
async def hang() -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return ""


@server.tool()
def die() -> str:
    """End the server."""
    os._exit(3)


def guarded(app: Any, token: str) -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "http" and headers.get(b"authorization") != f"Bearer {token}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return serve


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", port, *token]:
            app: Any = server.streamable_http_app()
            uvicorn.run(guarded(app, token[0]) if token else app, port=int(port), log_level="critical")
        case _:
            server.run("stdio")
