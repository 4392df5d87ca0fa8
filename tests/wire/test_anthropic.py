"""Anthropic by its own SDK, against a fake that speaks its wire: what is Anthropic's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from voice_server.errors import ProviderError
from voice_server.fakes.anthropic import FakeAnthropic
from voice_server.fakes.asgi import Exchange
from voice_server.fakes.script import PATIENCE_S, Call, Script
from voice_server.providers.anthropic import llm
from voice_server.providers.base import ChatMessage, ReplyDelta, ReplyRequest, TextDelta

pytestmark = pytest.mark.wire

REQUEST = ReplyRequest(
    [ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")], temperature=0.5, max_tokens=99
)


class Breaking(FakeAnthropic):
    """Begins well and then sends `event` with `data`."""

    event, data = "error", ""

    async def http(self, exchange: Exchange) -> None:
        begun = self._events("claude")[0]
        broken = f"event: {self.event}\ndata: {self.data}\n\n".encode()
        await exchange.play(self.seen, Call(), self.script, "text/event-stream", [begun, broken])


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(Script()) as fake:
        yield fake


async def ask(fake: FakeAnthropic, given: list[ReplyDelta], **more: Any) -> None:
    model = llm.create({"api_key": "sk", "base_url": f"http://{fake.address}", **more})
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(model.reply(REQUEST)) as deltas:
            async for delta in deltas:
                given.append(delta)  # noqa: PERF401 - what came before a failure counts
    finally:
        await model.close()


async def test_the_prompt_is_sent_as_the_vendor_wants_it(fake: FakeAnthropic) -> None:
    await ask(fake, [])
    sent = fake.seen.calls[0].raw
    assert sent["system"] == "Be brief."
    assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert (sent["max_tokens"], sent["thinking"]) == (99, {"type": "disabled"})
    assert "temperature" not in sent  # refused by the vendor


@pytest.mark.parametrize(("thinking", "sent"), [("adaptive", {"type": "adaptive"}), ("default", None)])
async def test_thinking_is_as_it_is_set(fake: FakeAnthropic, thinking: str, sent: object) -> None:
    await ask(fake, [], thinking=thinking)
    assert fake.seen.calls[0].raw.get("thinking") == sent


@pytest.mark.parametrize(
    ("event", "data", "code"),
    [
        ("error", '{"type": "error", "error": {"type": "overloaded_error"}}', "provider_failed"),
        ("error", '{"type": "error", "error": {"type": "rate_limit_error"}}', "provider_rate_limited"),
        ("error", "no JSON", "provider_failed"),
        ("content_block_delta", "{no JSON", "provider_bad_answer"),
        ("content_block_delta", '{"type": "content_block_delta", "index": 0}', "provider_bad_answer"),
        ("ping", "{}", "provider_failed"),  # and then the end, without message_stop
    ],
)
async def test_what_breaks_in_the_middle_is_an_error_after_what_came(
    event: str, data: str, code: str
) -> None:
    given: list[ReplyDelta] = []
    async with Breaking(Script()) as breaking:
        breaking.event, breaking.data = event, data
        with pytest.raises(ProviderError) as failure:
            await ask(breaking, given)
    assert (failure.value.code, failure.value.stage) == (code, "llm")
    assert given == [TextDelta(Script().words[0])]
