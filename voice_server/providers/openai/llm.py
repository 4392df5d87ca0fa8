"""Chat completions, streamed, with tools."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from voice_server.providers.base import (
    ChatMessage,
    LlmCapabilities,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    TextDelta,
    ToolCallDelta,
    ToolUse,
)
from voice_server.providers.openai.client import openai_client
from voice_server.providers.openai.errors import failures, openai_error
from voice_server.providers.openai.options import OpenAiOptions

DEFAULT_MODEL = "gpt-5.4-mini"
_REASONING = re.compile(r"^(gpt-[5-9]|o\d)")
"""Models that think take no temperature but their own."""


def create(options: Mapping[str, Any]) -> "OpenAiLanguageModel":
    """The entry point `voice_server.llm: openai`. `options`: the fields of `OpenAiOptions`."""
    return OpenAiLanguageModel(OpenAiOptions.read(options))


class OpenAiLanguageModel:
    """A `LanguageModel`."""

    def __init__(self, options: OpenAiOptions) -> None:
        self.name = options.name
        self.model = options.model or DEFAULT_MODEL
        self.title = f"{options.title} {self.model}"
        self.capabilities = LlmCapabilities(tools=True, context_tokens=options.context_tokens)
        self._options = options
        self._client = openai_client(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        """Stream the reply; closing the generator closes the connection, which stops the model."""
        client = await self._client.get()
        tools = _ToolParts()
        usage: ReplyUsage | None = None
        has_text = is_finished = False
        try:
            # Only leaving this block closes the response: a stream that is just dropped goes on and is paid.
            async with await client.chat.completions.create(**self._arguments(request)) as chunks:
                async for chunk in chunks:
                    if counted := chunk.usage:
                        usage = ReplyUsage(counted.prompt_tokens, counted.completion_tokens)
                    for choice in chunk.choices[:1]:
                        if text := choice.delta.content:
                            has_text = True
                            yield TextDelta(text)
                        tools.add(choice.delta.tool_calls or ())
                        is_finished = is_finished or choice.finish_reason is not None
            if not is_finished:
                raise EOFError("no finish_reason") if has_text else ValueError("no event with a choice")
        except failures() as error:
            raise openai_error(error, "llm", self._options) from error
        for use in tools.whole():
            yield ToolCallDelta(use)
        if usage is not None:
            yield usage

    def _arguments(self, request: ReplyRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": [_message(message) for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        is_reasoning = _REASONING.match(self.model) is not None
        if request.temperature is not None and not is_reasoning:
            arguments["temperature"] = request.temperature
        if request.max_tokens is not None:
            # OpenAI has renamed it; the servers that follow may not have.
            arguments["max_completion_tokens" if self._options.is_openai else "max_tokens"] = (
                request.max_tokens
            )
        # A thought is silence to the one who waits.
        effort = self._options.reasoning_effort or ("none" if self.model == DEFAULT_MODEL else None)
        if effort is not None:
            arguments["reasoning_effort"] = effort
        if request.tools:
            arguments["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
                for tool in request.tools
            ]
        return arguments


class _ToolParts:
    """Tool calls as they come: name and id first, the arguments in pieces, several calls side by side."""

    def __init__(self) -> None:
        self._parts: dict[int, list[str]] = {}

    def add(self, deltas: Sequence[Any]) -> None:
        for delta in deltas:
            part = self._parts.setdefault(delta.index or 0, ["", "", ""])
            part[0] = part[0] or delta.id or ""
            if delta.function is not None:
                part[1] += delta.function.name or ""
                part[2] += delta.function.arguments or ""

    def whole(self) -> list[ToolUse]:
        return [
            ToolUse(call_id or f"call_{index}", name, arguments or "{}")
            for index, (call_id, name, arguments) in sorted(self._parts.items())
        ]


def _message(message: ChatMessage) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_uses:
        sent["content"] = message.content or None
        sent["tool_calls"] = [
            {
                "id": use.call_id,
                "type": "function",
                "function": {"name": use.name, "arguments": use.arguments},
            }
            for use in message.tool_uses
        ]
    if message.role == "tool":
        sent["tool_call_id"] = message.call_id
    return sent
