"""How many calls a provider takes at once: of all sessions together, in order, and no slot is ever lost."""

import asyncio

import pytest

from tests.fakes.scripted import HANG, ScriptedLlm, ScriptedStt, ScriptedTts, Speaking, Step
from tests.session.rig import Call, House
from voice_server.core import wire
from voice_server.errors import ProviderError
from voice_server.providers.base import Voice
from voice_server.providers.resilient.policy import Policy

pytestmark = pytest.mark.session

DOWN = ProviderError("Down.", stage="llm")
ONE = {"only": 1}
BUSY_MS = 300
POLICY = Policy(retries=1, busy_wait_ms=BUSY_MS)


async def callers(house: House, number: int) -> list[Call]:
    """Callers of one server."""
    registry = house.registry()
    calls = [await house.call(registry, wire.Init()) for _ in range(number)]
    await asyncio.sleep(0)
    return calls


async def hang_up(*calls: Call) -> None:
    await calls[0].registry.drain(0)
    for call in calls:
        call.line.cut()


async def ask(call: Call) -> tuple[int, str]:
    """Ask something; when the answer began, in whole ms since then, and who gave it."""
    began_ms = call.now_ms
    await call.send(wire.TextIn("Hello"))
    metrics = await call.until(wire.Metrics)
    return round(call.when(wire.MessageChunk) - began_ms), metrics.providers.get("llm", "")


def two_models(*script: list[Step]) -> House:
    return House(
        llm=ScriptedLlm(script, name="only"),
        more_llms=[ScriptedLlm(name="other", model="m")],
        policy=POLICY,
        most_calls=ONE,
    )


async def test_over_the_limit_a_call_waits_a_little_and_takes_the_next() -> None:
    """And no longer: who is busy is not asked again."""
    house = two_models(["One", HANG])
    first, second = await callers(house, 2)
    await first.send(wire.TextIn("Hello"))
    await first.until(wire.MessageChunk)
    assert await ask(second) == (BUSY_MS, "other/m")
    assert len(house.llm.requests) == 1
    assert not second.all(wire.ErrorOut)
    await hang_up(first, second)


async def test_a_slot_that_comes_free_in_time_is_taken() -> None:
    first, second = await callers(two_models([0.2, "One."]), 2)
    answers = [*await asyncio.gather(ask(first), ask(second))]
    assert answers == [(200, "only/script-1")] * 2
    await hang_up(first, second)


@pytest.mark.parametrize("ending", ["failure", "stop", "hang-up"])
async def test_a_call_that_ends_badly_gives_its_slot_back(ending: str) -> None:
    first, second = await callers(two_models([0.1, DOWN] if ending == "failure" else ["One", HANG]), 2)
    await first.send(wire.TextIn("Hello"))
    await first.pass_ms(50)
    if ending == "stop":
        await first.send(wire.Stop())
    elif ending == "hang-up":
        await first.send(wire.End())
    await first.pass_ms(60)
    assert await ask(second) == (0, "only/script-1")
    await hang_up(first, second)


async def test_who_gives_up_waiting_takes_no_slot_with_him() -> None:
    house = two_models([0.25, "One."])
    first, second, third = await callers(house, 3)
    await first.send(wire.TextIn("Hello"))
    await first.pass_ms(10)
    await second.send(wire.TextIn("Hello"))
    await second.pass_ms(100)
    await second.send(wire.Stop())
    await first.until(wire.AiResponse)
    assert await ask(third) == (0, "only/script-1")
    assert len(house.llm.requests) == 2, "the second never came to it"
    await hang_up(first, second, third)


async def test_those_who_wait_are_served_in_their_order() -> None:
    """With nobody behind, they wait longer; nobody overtakes."""
    house = House(
        llm=ScriptedLlm(usual=lambda request: [0.5, "Yes."], name="only"), policy=POLICY, most_calls=ONE
    )
    calls = await callers(house, 5)
    order: list[int] = []

    async def talk(number: int) -> None:
        await calls[number].pass_ms(10 * number)
        await ask(calls[number])
        order.append(number)

    await asyncio.gather(*(talk(number) for number in (3, 1, 4, 0, 2)))
    assert order == [0, 1, 2, 3, 4]
    assert house.llm.calls_open == 0
    await hang_up(*calls)


async def test_nobody_waits_without_end_and_he_is_told() -> None:
    house = House(llm=ScriptedLlm([["One", HANG]], name="only"), policy=POLICY, most_calls=ONE)
    first, second = await callers(house, 2)
    await first.send(wire.TextIn("Hello"))
    await first.until(wire.MessageChunk)
    began_ms = second.now_ms
    await second.send(wire.TextIn("Hello"))
    error = await second.until(wire.ErrorOut)
    assert (error.stage, error.retryable) == ("llm", True)
    assert second.when(wire.ErrorOut) - began_ms == pytest.approx(3_000, abs=1)
    await hang_up(first, second)


async def test_who_is_busy_is_not_in_trouble() -> None:
    house = two_models(["One", HANG])
    calls = await callers(house, 6)
    await calls[0].send(wire.TextIn("Hello"))
    await calls[0].until(wire.MessageChunk)
    await asyncio.gather(*(ask(call) for call in calls[1:]))
    await calls[0].send(wire.Stop())
    await calls[0].until(wire.Metrics)
    again = calls[1]
    await again.send(wire.TextIn("Hello"))
    assert (await again.until(wire.Metrics, 2)).providers["llm"] == "only/script-1"
    await hang_up(*calls)


async def test_recognisers_and_voices_have_a_limit_of_their_own() -> None:
    voice = Voice("other", "other", "Other", "neutral", ("en-US",))
    house = House(
        stt=ScriptedStt(name="only"),
        more_stts=[ScriptedStt(name="other")],
        tts=ScriptedTts(name="only", usual=Speaking(chunk_s=1.0)),
        more_ttss=[ScriptedTts(name="other", voices=(voice,))],
        policy=POLICY,
        most_calls=ONE,
    )
    first, second = await callers(house, 2)
    await asyncio.gather(*(call.send(wire.StreamStart()) for call in (first, second)))
    await asyncio.gather(*(call.say("Hello", then_quiet_ms=3_000) for call in (first, second)))
    said = [await call.until(wire.Metrics) for call in (first, second)]
    assert {one.providers["stt"] for one in said} == {"only", "other"}
    assert {one.providers["tts"] for one in said} == {"only", "other"}
    await hang_up(first, second)


async def test_a_voice_is_not_kept_from_others_while_a_model_thinks() -> None:
    house = House(
        llm=ScriptedLlm([[HANG], ["One."]]),
        tts=ScriptedTts(name="only"),
        more_ttss=[ScriptedTts(name="other", voices=(Voice("other", "other", "Other", "neutral", ("en",)),))],
        policy=POLICY,
        most_calls=ONE,
    )
    first, second = await callers(house, 2)
    await first.send(wire.TextIn("Hello"))
    await second.pass_ms(100)
    await second.send(wire.TextIn("Hello"))
    assert (await second.until(wire.Metrics)).providers["tts"] == "only"
    await hang_up(first, second)
