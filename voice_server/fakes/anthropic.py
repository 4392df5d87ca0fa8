"""Anthropic on loopback: messages, streamed.

Source of the wire: the vendor's SDK, whose own types read every answer given here.
"""

import json
from collections.abc import Mapping
from typing import Any

from voice_server.fakes.asgi import AsgiFake, Exchange
from voice_server.fakes.script import Call
from voice_server.providers.base import ToolUse


class FakeAnthropic(AsgiFake):
    """`script.words` are the reply's deltas."""

    async def http(self, exchange: Exchange) -> None:
        if exchange.path != "/v1/messages":
            await exchange.answer(404, b'{"type": "error"}', "application/json")
            return
        body = exchange.json
        call = Call(_key(exchange.headers), body["model"], raw=body)
        await exchange.play(self.seen, call, self.script, "text/event-stream", self._events(body["model"]))

    def _events(self, model: str) -> list[bytes]:
        script = self.script
        usage = {"input_tokens": script.prompt_tokens, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        events = [_event("message_start", message=message)]
        events += _text_block(script.words)
        for index, use in enumerate(script.tool_uses, start=1):
            events += _tool_block(index, use)
        stop_reason = "tool_use" if script.tool_uses else "end_turn"
        events += [
            _event(
                "message_delta",
                delta={"stop_reason": stop_reason, "stop_sequence": None},
                usage={"output_tokens": script.completion_tokens},
            ),
            _event("message_stop"),
        ]
        # A connection that breaks, or falls silent, does so after the first word.
        return [b"".join(events[:3]), *events[3:]]


def _text_block(words: tuple[str, ...]) -> list[bytes]:
    start = _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    deltas = [_delta(0, {"type": "text_delta", "text": word}) for word in words]
    return [start + _event("ping"), *deltas, _event("content_block_stop", index=0)]


def _tool_block(index: int, use: ToolUse) -> list[bytes]:
    block = {"type": "tool_use", "id": use.call_id, "name": use.name, "input": {}}
    half = len(use.arguments) // 2
    return [
        _event("content_block_start", index=index, content_block=block),
        *(
            _delta(index, {"type": "input_json_delta", "partial_json": part})
            for part in (use.arguments[:half], use.arguments[half:])
        ),
        _event("content_block_stop", index=index),
    ]


def _delta(index: int, delta: Mapping[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _key(headers: Mapping[str, str]) -> str | None:
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or bearer or None
