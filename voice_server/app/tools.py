"""The tools of the settings."""

from collections.abc import Mapping

from pydantic import SecretStr

from voice_server.core.caller import Tier
from voice_server.settings import Settings
from voice_server.tools.base import ToolSource
from voice_server.tools.box import ToolBox, ToolRules
from voice_server.tools.functions import Functions
from voice_server.tools.http import Endpoint, HttpTools
from voice_server.tools.mcp import McpAddress, McpServer


def load_tools(settings: Settings) -> ToolBox:
    """The tools that the settings name; nothing is connected yet.

    Raises:
        ConfigurationError: a function nobody offers or that is not fit to be a tool, a package that is not
            installed, or two tools of one name.
    """
    tools = settings.tools
    endpoints = [
        Endpoint(one.name, one.description, one.url, one.method, one.parameters, _secrets(one.headers))
        for one in tools.http
    ]
    sources: list[ToolSource] = [
        Functions(tools.functions),
        HttpTools(endpoints, tools.output_bytes, settings.deadlines.tool_s),
    ]
    for one in tools.mcp:
        address = McpAddress(
            one.name, one.command, one.args, _secrets(one.env), one.url, _secrets(one.headers)
        )
        sources.append(McpServer(address))
    allowed = tools.allowed
    rules = ToolRules(allowed.without_key, {tier: getattr(allowed, tier.value) for tier in Tier})
    return ToolBox(sources, rules, tools.output_bytes)


def _secrets(table: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in table.items()}
