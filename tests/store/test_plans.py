"""Queries of one owner do not read through everybody's rows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from voice_server.clock import LoopClock
from voice_server.errors import NotFoundError
from voice_server.ids import ConversationId
from voice_server.store.conversations import ConversationStore, NewConversation, NewMessage
from voice_server.store.database import Database
from voice_server.store.feedback import Feedback, FeedbackStore, FeedbackType
from voice_server.store.journal import StoredJournal
from voice_server.store.usage import UsageLedger

CONVERSATION = ConversationId("conv_1")
MESSAGE = NewMessage("assistant", "Hi", timings={"response_ms": 700.0})


@pytest.fixture
async def sqlite() -> AsyncIterator[Database]:
    database = Database("sqlite://")
    await database.open()
    store = ConversationStore(database, LoopClock())
    await store.create(NewConversation("ada", "user", id=CONVERSATION))
    await store.add("ada", CONVERSATION, [MESSAGE])
    yield database
    await database.close()


async def judge(database: Database) -> None:
    feedback = Feedback(CONVERSATION, MESSAGE.id, "user", FeedbackType.THUMBS_UP, 1.0)
    await FeedbackStore(database, LoopClock()).add("ada", feedback)


async def wait(database: Database) -> None:
    assert [ms for _, ms in await UsageLedger(database).latencies("ada", 0, 10**15)] == [700.0]
    assert await UsageLedger(database).latencies("eve", 0, 10**15) == []


async def look(database: Database) -> None:
    store = ConversationStore(database, LoopClock())
    await store.page("ada", user_id="user")
    await store.newest("ada", CONVERSATION, 10)
    with pytest.raises(NotFoundError):
        await store.get("eve", CONVERSATION)


async def resume(database: Database) -> None:
    assert (await StoredJournal(database, LoopClock()).open("ada", CONVERSATION)).messages


@pytest.mark.parametrize("work", [judge, wait, look, resume])
async def test_an_index_serves(sqlite: Database, work: Callable[[Database], Awaitable[None]]) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "DELETE", "UPDATE")):
            asked.append((statement, parameters))

    event.listen(sqlite.engine.sync_engine, "before_cursor_execute", note)
    await work(sqlite)
    event.remove(sqlite.engine.sync_engine, "before_cursor_execute", note)
    assert asked
    async with sqlite.engine.connect() as connection:
        for statement, parameters in asked:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for step in plan:
                assert "SCAN" not in step.detail or "CONSTANT" in step.detail, (step.detail, statement)
