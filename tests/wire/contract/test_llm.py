"""What every vendor's language model keeps, on its own wire."""

import asyncio
from contextlib import aclosing

import pytest

from tests.wire.contract.case import KEY, Cut, LlmCase, assert_is_ours, bench, every, every_failure
from voice_server.core.wire import ToolSpec
from voice_server.errors import ProviderError
from voice_server.fakes.script import PATIENCE_S, Fault, Script
from voice_server.providers.base import (
    ChatMessage,
    LanguageModel,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    TextDelta,
    ToolCallDelta,
    ToolUse,
)

pytestmark = pytest.mark.wire

QUESTION = ReplyRequest([ChatMessage("system", "Be brief."), ChatMessage("user", "What time is it?")])
WEATHER = ToolSpec(
    "weather",
    "The weather at a place.",
    {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
)

each = pytest.mark.parametrize("case", every("LLM"))


async def ask(model: LanguageModel, request: ReplyRequest = QUESTION) -> list[ReplyDelta]:
    async with asyncio.timeout(PATIENCE_S), aclosing(model.reply(request)) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[ReplyDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


@each
async def test_the_reply_comes_in_pieces_and_is_counted_last(case: LlmCase) -> None:
    script = Script()
    async with bench(case, script) as at:
        deltas = await ask(at.provider)
        assert text_of(deltas) == script.text
        assert len([delta for delta in deltas if isinstance(delta, TextDelta)]) > 1
        assert deltas[-1] == ReplyUsage(script.prompt_tokens, script.completion_tokens)
        (call,) = at.fake.seen.calls
        assert (call.key, call.model) == (KEY, at.provider.model)


@each
async def test_a_tool_call_comes_whole_after_the_text(case: LlmCase) -> None:
    uses = (
        ToolUse("call_1", "weather", '{"place": "Rome"}'),
        ToolUse("call_2", "weather", '{"place": "Oslo"}'),
    )
    script = Script(words=("One ", "moment."), tool_uses=uses)
    async with bench(case, script) as at:
        assert at.provider.capabilities.tools
        deltas = await ask(at.provider, ReplyRequest(QUESTION.messages, tools=(WEATHER,)))
        assert text_of(deltas) == script.text
        assert [delta.use for delta in deltas if isinstance(delta, ToolCallDelta)] == list(uses)
        assert "weather" in str(at.fake.seen.calls[0].raw["tools"])


@each
async def test_what_a_tool_answered_goes_back_to_the_model(case: LlmCase) -> None:
    use = ToolUse("call_1", "weather", '{"place": "Rome"}')
    request = ReplyRequest(
        [
            *QUESTION.messages,
            ChatMessage("assistant", "One moment.", tool_uses=(use,)),
            ChatMessage("tool", "sunny in Rome", call_id="call_1"),
        ],
        tools=(WEATHER,),
    )
    async with bench(case) as at:
        await ask(at.provider, request)
        sent = str(at.fake.seen.calls[0].raw["messages"])
        assert sent.index("One moment.") < sent.index("sunny in Rome")
        assert sent.count("call_1") == 2


@each
async def test_a_cut_reply_is_cut_on_the_wire(case: LlmCase) -> None:
    async with bench(case, Script(fault=Fault.STALL)) as at:
        deltas = at.provider.reply(QUESTION)
        async with asyncio.timeout(PATIENCE_S):
            assert await anext(deltas) == TextDelta(at.script.words[0])
            cut = Cut(at.fake)
            await deltas.aclose()
            await deltas.aclose()  # once more changes nothing
        await cut.seen()
        assert at.fake.seen.abandoned == 1


@each
async def test_a_model_that_says_nothing_can_be_left(case: LlmCase) -> None:
    async with bench(case, Script(fault=Fault.HANG)) as at:
        waiting = asyncio.create_task(ask(at.provider))
        await at.fake.seen.until(lambda seen: seen.under_way == 1)
        cut = Cut(at.fake)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await cut.seen()
        assert at.fake.seen.abandoned == 1


@pytest.mark.parametrize(("case", "fault"), every_failure("LLM"))
async def test_failures_are_told_in_our_words(case: LlmCase, fault: Fault) -> None:
    async with bench(case, Script(fault=fault)) as at:
        with pytest.raises(ProviderError) as failure:
            await ask(at.provider)
        assert_is_ours(failure.value, case, fault, "llm")
        assert len(at.fake.seen.calls) == (0 if fault is Fault.REFUSED else 1)  # no retries but ours


@each
async def test_after_a_failure_the_next_reply_comes(case: LlmCase) -> None:
    async with bench(case, Script(fault=Fault.DROP)) as at:
        with pytest.raises(ProviderError):
            await ask(at.provider)
        at.script.fault = None
        assert text_of(await ask(at.provider)) == at.script.text


@each
async def test_replies_at_once_do_not_mix(case: LlmCase) -> None:
    async with bench(case) as at:
        replies = await asyncio.gather(ask(at.provider), ask(at.provider))
        assert [text_of(reply) for reply in replies] == [at.script.text] * 2
