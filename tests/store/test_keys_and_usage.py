"""Keys and usage, kept in both databases."""

import asyncio

import pytest

from voice_server.clock import LoopClock
from voice_server.core.caller import Caller, Tier
from voice_server.core.usage import Use
from voice_server.services.prices import PriceList
from voice_server.services.usage import Allowances, Meter
from voice_server.store.database import Database
from voice_server.store.keys import KeyRecord, Keys
from voice_server.store.usage import UsageLedger, UsageRecord


def record(name: str, at_ms: int = 1) -> KeyRecord:
    return KeyRecord(f"key_{name}", name, "anna", "pro", ("voice", "chat"), "wxyz", 2.5, at_ms)


async def test_a_key_is_found_by_its_hash_until_it_is_revoked(database: Database) -> None:
    keys = Keys(database)
    assert not await keys.exist()
    await keys.add(record("one"), "hash one")
    await keys.add(record("two", 2), "hash two")
    assert await keys.exist()
    assert await keys.find("hash one") == record("one")
    assert await keys.find("hash three") is None
    assert [one.name for one in await keys.newest(10, 0)] == ["two", "one"]
    assert [one.name for one in await keys.newest(1, 1)] == ["one"]
    assert await keys.revoked({"key_one", "key_two"}) == set()
    assert [one.id for one in await keys.revoke("one", 5)] == ["key_one"]
    assert await keys.revoke("one", 6) == []
    assert await keys.find("hash one") is None
    assert await keys.get("key_one") is None
    assert await keys.revoked({"key_one", "key_two"}) == {"key_one"}
    await keys.note_use({"key_two": 7})
    (two, one) = await keys.newest(10, 0)
    assert (two.last_used_at_ms, two.revoked_at_ms) == (7, None)
    assert (one.last_used_at_ms, one.revoked_at_ms) == (None, 5)


async def test_a_signed_in_browser_is_known_until_it_leaves_expires_or_its_key_goes(
    database: Database,
) -> None:
    keys = Keys(database)
    for name in ("one", "two"):
        await keys.add(record(name), f"hash {name}")
        await keys.sign_in(f"cookie {name}", f"key_{name}", 100, 200)
    assert await keys.signed_in("cookie one", 199) == "key_one"
    assert await keys.signed_in("cookie one", 200) is None
    await keys.revoke("key_one", 5)
    assert await keys.signed_in("cookie one", 100) is None
    await keys.sign_out("cookie two")
    assert await keys.signed_in("cookie two", 100) is None


def used(day: str, key: str, stage: str = "llm", cost: float = 0.5, owner: str = "anna") -> UsageRecord:
    return UsageRecord(day, owner, key, stage, "vendor", "model", 1, 1_000, 20, 30, 40, cost)


async def test_usage_adds_up_by_day_key_and_provider(database: Database) -> None:
    ledger = UsageLedger(database)
    await ledger.add([used("2026-01-30", "a"), used("2026-01-31", "a"), used("2026-01-31", "b")])
    await ledger.add(
        [used("2026-01-31", "a"), used("2026-01-31", "a", "stt"), used("2026-01-31", "a", "api")]
    )
    await ledger.add([used("2026-01-31", "e", owner="eve"), used("2026-02-01", "a")])
    (total,) = await ledger.report("anna", "2026-01-01", "2026-01-31", [])
    assert (total.calls, total.requests, total.cost) == (5, 1, 3.0)
    assert (total.audio_ms, total.input_tokens, total.output_tokens, total.characters) == (
        6_000,
        120,
        180,
        240,
    )
    days = await ledger.report("anna", "2026-01-01", "2026-01-31", ["day"])
    assert [(one.day, one.key, one.calls) for one in days] == [
        ("2026-01-30", None, 1),
        ("2026-01-31", None, 4),
    ]
    keys = await ledger.report("anna", "2026-01-31", "2026-01-31", ["key", "provider"])
    assert [(one.key, one.provider, one.calls) for one in keys] == [("a", "vendor", 3), ("b", "vendor", 1)]
    assert await ledger.report("anna", "2025-01-01", "2025-01-31", []) == []
    (everybody,) = await ledger.report(None, "2026-01-31", "2026-01-31", [])
    assert everybody.calls == 5
    assert await ledger.spent("a", "2026-01") == pytest.approx(2.5)
    assert await ledger.heard_ms("a", "2026-01-31") == 1_000
    assert await ledger.heard_ms("b", "2026-01-31") == 0


async def test_a_report_waits_for_what_is_being_written() -> None:
    database = Database("sqlite://")
    await database.open()
    allowances = Allowances(dict.fromkeys(Tier, 30))
    meter = Meter(UsageLedger(database), PriceList(), LoopClock(), allowances)
    meter.record(Caller("anna"), Use("llm", "scripted"))
    async with database.write():
        writing = asyncio.create_task(meter.write())
        await asyncio.sleep(0)
        reporting = asyncio.create_task(meter.report("anna", "2000-01-01", "3000-01-01", []))
        await asyncio.sleep(0)
    await writing
    (total,) = await reporting
    assert total.calls == 1
    await database.close()
