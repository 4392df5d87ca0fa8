"""A prompt in Anthropic's shape."""

import json
from collections.abc import Sequence
from typing import Any

from voice_server.core.wire import ToolSpec
from voice_server.providers.base import ChatMessage, ToolUse

_BEGINNING = "(The conversation begins.)"
_GO_ON = "(Go on.)"

Message = dict[str, Any]


def system_of(messages: Sequence[ChatMessage]) -> str:
    """The system messages, which stand apart from the others there."""
    return "\n\n".join(one.content for one in messages if one.role == "system" and one.content.strip())


def turns_of(messages: Sequence[ChatMessage]) -> list[Message]:
    """The others, as turns of user and assistant, beginning and ending with the user's.

    The vendor refuses empty texts, a conversation that the assistant begins (as a greeting does), and one
    that ends with the assistant's words. The answers of tools belong to the user's turn.
    """
    turns: list[Message] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if blocks := _blocks(message):
            if not turns and role == "assistant":
                turns.append(_said(_BEGINNING))
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
    if not turns:
        return [_said(_BEGINNING)]
    if turns[-1]["role"] == "assistant":
        turns.append(_said(_GO_ON))
    return turns


def tools_of(tools: Sequence[ToolSpec]) -> list[Message]:
    """The tools the model may call."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
        for tool in tools
    ]


def _blocks(message: ChatMessage) -> list[Message]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.call_id, "content": message.content}]
    text = [{"type": "text", "text": message.content}] if message.content.strip() else []
    return [*text, *(_tool_use(use) for use in message.tool_uses)]


def _tool_use(use: ToolUse) -> Message:
    try:
        arguments = json.loads(use.arguments)
    except ValueError:
        arguments = {}  # what another model once wrote
    if not isinstance(arguments, dict):
        arguments = {}
    return {"type": "tool_use", "id": use.call_id, "name": use.name, "input": arguments}


def _said(text: str) -> Message:
    return {"role": "user", "content": [{"type": "text", "text": text}]}
