"""Messages, streamed, with tools."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_server.providers.anthropic.client import anthropic_client
from voice_server.providers.anthropic.errors import anthropic_error, failures
from voice_server.providers.anthropic.messages import system_of, tools_of, turns_of
from voice_server.providers.anthropic.options import AnthropicOptions
from voice_server.providers.base import (
    LlmCapabilities,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    TextDelta,
    ToolCallDelta,
    ToolUse,
)

_LONGEST_REPLY_TOKENS = 1024
"""The vendor wants a number."""


def create(options: Mapping[str, Any]) -> "AnthropicLanguageModel":
    """The entry point `voice_server.llm: anthropic`. `options`: the fields of `AnthropicOptions`."""
    return AnthropicLanguageModel(AnthropicOptions.read(options))


class AnthropicLanguageModel:
    """A `LanguageModel`. A request's temperature is passed over: the vendor takes none any more."""

    name = "anthropic"

    def __init__(self, options: AnthropicOptions) -> None:
        self.model = options.model
        self.title = f"Anthropic {options.model}"
        self.capabilities = LlmCapabilities(tools=True, context_tokens=options.context_tokens)
        self._options = options
        self._client = anthropic_client(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        """Stream the reply; closing the generator closes the connection, which stops the model."""
        client = await self._client.get()
        reading = _Reading()
        try:
            # Only leaving this block closes the response: a stream that is just dropped goes on and is paid.
            async with await client.messages.create(**self._arguments(request)) as events:
                async for event in events:
                    if text := reading.take(event):
                        yield TextDelta(text)
            if not reading.is_finished:
                raise EOFError("no message_stop") if reading.has_begun else ValueError("no message_start")
        except failures() as error:
            raise anthropic_error(error) from error
        for tool in reading.tools.values():
            yield ToolCallDelta(ToolUse(tool.call_id, tool.name, tool.arguments or "{}"))
        yield ReplyUsage(reading.prompt_tokens, reading.completion_tokens)

    def _arguments(self, request: ReplyRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_tokens or _LONGEST_REPLY_TOKENS,
            "messages": turns_of(request.messages),
            "cache_control": {"type": "ephemeral"},  # the next turn begins with all of this one
            "stream": True,
        }
        if system := system_of(request.messages):
            arguments["system"] = system
        if request.tools:
            arguments["tools"] = tools_of(request.tools)
        if self._options.thinking != "default":
            arguments["thinking"] = {"type": self._options.thinking}
        return arguments


@dataclass(slots=True)
class _Tool:
    call_id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class _Reading:
    """What the events have said so far."""

    has_begun: bool = False
    is_finished: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tools: dict[int, _Tool] = field(default_factory=dict)

    def take(self, event: Any) -> str:
        """The text of the event, if it has any."""
        match event.type:
            case "message_start":
                self.has_begun = True
                usage = event.message.usage
                self.prompt_tokens = (
                    usage.input_tokens
                    + (usage.cache_read_input_tokens or 0)
                    + (usage.cache_creation_input_tokens or 0)
                )
            case "content_block_start" if event.content_block.type == "tool_use":
                self.tools[event.index] = _Tool(event.content_block.id, event.content_block.name)
            case "content_block_delta" if event.delta.type == "text_delta":
                return str(event.delta.text)
            case "content_block_delta" if event.delta.type == "input_json_delta":
                self.tools[event.index].arguments += event.delta.partial_json
            case "message_delta":
                self.completion_tokens = event.usage.output_tokens
            case "message_stop":
                self.is_finished = True
            case _:
                pass  # thoughts, and kinds that are yet to come
        return ""
