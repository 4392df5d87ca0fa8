"""Tools of the server. The sentence under a field is its documentation."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from voice_server.settings.kinds import Names, from_text
from voice_server.settings.tables import Size, Table

_NAME = r"^[A-Za-z0-9_-]{1,64}$"
ToolName = Annotated[str, Field(pattern=_NAME)]
FunctionNames = Annotated[Names, AfterValidator(lambda names: tuple(dict.fromkeys(names)))]


class HttpEndpoint(Table):
    """An HTTP endpoint that the language model may call."""

    name: ToolName
    description: Annotated[str, Field(min_length=1)]
    # Places for arguments may stand behind the host only: the model does not choose whom the server calls.
    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#{}]+(/\S*)?$")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    parameters: dict[str, Any] = {}
    headers: dict[str, SecretStr] = {}


class McpServer(Table):
    """A server that speaks the Model Context Protocol: a `command` to start, or a `url`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, SecretStr] = {}
    url: Annotated[str, Field(pattern=r"^(https?://[^\s/]+\S*)?$")] = ""
    headers: dict[str, SecretStr] = {}

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either a command or a url")
        return self


class ToolsAllowed(Table):
    """Which tools a caller may use, by patterns such as `weather_*`; a key's own `tools` come first."""

    without_key: Names = ("*",)
    """Tools for callers of a server that asks nobody for a key."""
    free: Names = ("*",)
    """Tools for keys of the free tier."""
    basic: Names = ("*",)
    """Tools for keys of the basic tier."""
    pro: Names = ("*",)
    """Tools for keys of the pro tier."""
    enterprise: Names = ("*",)
    """Tools for keys of the enterprise tier."""


HttpEndpoints = Annotated[tuple[HttpEndpoint, ...], NoDecode, BeforeValidator(from_text)]
McpServers = Annotated[tuple[McpServer, ...], NoDecode, BeforeValidator(from_text)]


class Tools(Table):
    """What the language model may call on this server."""

    functions: FunctionNames = ()
    """Python functions, by the names of their entry points in the group `voice_server.tools`."""
    http: HttpEndpoints = ()
    """HTTP endpoints: tables of `name`, `description`, `url`, `method`, `parameters` (a JSON schema) and
    `headers`."""
    mcp: McpServers = ()
    """Servers that speak the Model Context Protocol: tables of `name`, and `command`, `args` and `env` or
    `url` and `headers`."""
    allowed: ToolsAllowed = ToolsAllowed()
    output_bytes: Size = 16 * 1024
    """What of a tool's answer the language model is shown; the rest is cut off."""
    bridge_ms: Annotated[int, Field(ge=0, le=60_000)] = 1500
    """When a tool takes longer than this, and nothing else is being heard, a short sentence says so; 0 keeps
    silent."""
