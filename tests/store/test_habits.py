"""What is known of callers outlasts the server, within bounds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from voice_server.clock import Instant
from voice_server.core.pauses import Pauses
from voice_server.errors import StoreError
from voice_server.services.habits import StoredHabits
from voice_server.store.database import Database
from voice_server.store.habits import HabitStore


@dataclass(slots=True)
class HandClock:
    """Goes on by a second whenever it is asked."""

    asked: int = 0

    def now(self) -> Instant:
        return Instant(self.asked * 1000.0)

    def utc(self) -> datetime:
        self.asked += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.asked)


async def restarted(database: Database, capacity: int = 100) -> StoredHabits:
    habits = StoredHabits(HabitStore(database), HandClock(), capacity)
    await habits.read()
    return habits


async def test_pauses_are_known_after_a_restart_to_their_owner_alone(database: Database) -> None:
    habits = await restarted(database)
    habits.learn("acme", "anna", Pauses((400.0,)))
    habits.learn("acme", "anna", Pauses((400.0, 650.0)))
    habits.learn("acme", "ben", Pauses((900.0,)))
    await habits.write()
    again = await restarted(database)
    assert again.pauses("acme", "anna") == Pauses((400.0, 650.0))
    assert again.pauses("acme", "ben") == Pauses((900.0,))
    assert again.pauses("other", "anna") == Pauses()
    again.learn("acme", "anna", Pauses((400.0, 650.0, 300.0)))
    await again.write()
    assert (await restarted(database)).pauses("acme", "anna") == Pauses((400.0, 650.0, 300.0))


async def test_whoever_was_not_heard_for_longest_is_forgotten(database: Database) -> None:
    habits = await restarted(database, capacity=3)
    for name in ("anna", "ben", "cleo"):
        habits.learn("acme", name, Pauses((500.0,)))
    await habits.write()
    habits.learn("acme", "anna", Pauses((600.0,)))
    habits.learn("acme", "dora", Pauses((700.0,)))
    await habits.write()
    kept = await HabitStore(database).newest(10)
    assert [one.user_id for one in kept] == ["cleo", "anna", "dora"]
    fewer = await restarted(database, capacity=1)
    assert [fewer.pauses("acme", name).lengths_ms for name in ("anna", "dora")] == [(), (700.0,)]


@pytest.mark.parametrize("name", ["a" * 201, "anna\0", "\ud800"], ids=["long", "nul", "half a pair"])
async def test_a_name_that_cannot_be_stored_harms_nobody(database: Database, name: str) -> None:
    habits = await restarted(database)
    habits.learn("acme", name, Pauses((400.0,)))
    habits.learn("acme", "ben", Pauses((900.0,)))
    await habits.write()
    assert habits.pauses("acme", name) == Pauses((400.0,))
    assert [one.user_id for one in await HabitStore(database).newest(10)] == ["ben"]


async def test_what_the_database_does_not_take_is_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    habits = await restarted(database)
    habits.learn("acme", "anna", Pauses((400.0,)))
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise StoreError("No.")

        patch.setattr(HabitStore, "keep", refuse)
        with pytest.raises(StoreError):
            await habits.write()
    habits.learn("acme", "anna", Pauses((400.0, 500.0)))
    await habits.write()
    assert (await restarted(database)).pauses("acme", "anna") == Pauses((400.0, 500.0))
