"""The ledger of sessions in a real database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from tests.clocks import HandClock
from tests.postgres import PostgresServer
from voice_server.core.commands import (
    AssistantHeard,
    AssistantWrote,
    Began,
    ServerSaid,
    TurnMeasured,
    UserSaid,
)
from voice_server.core.history import Message
from voice_server.core.wire import Metrics
from voice_server.errors import StoreError
from voice_server.ids import ConversationId, MessageId, TurnId
from voice_server.store.database import Database
from voice_server.store.journal import StoredJournal
from voice_server.store.ledger import Line, write_line
from voice_server.store.tables import ConversationRow, MessageRow

CONVERSATION = ConversationId("conv_1")
TURN = TurnId("turn_1")


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[StoredJournal]:
    journal = StoredJournal(database, HandClock())
    writing = asyncio.create_task(journal.run())
    yield journal
    journal.close()
    await writing


def user(name: str, words: str) -> UserSaid:
    return UserSaid(TURN, Message(MessageId(name), "user", words), spoken=True, language="en", confidence=0.9)


def wrote(name: str, words: str) -> AssistantWrote:
    return AssistantWrote(TURN, Message(MessageId(name), "assistant", words))


def heard(name: str, words: str, *, complete: bool = False) -> AssistantHeard:
    return AssistantHeard(TURN, Message(MessageId(name), "assistant", words), 1_200.0, complete)


def metrics() -> Metrics:
    return Metrics(TURN, 300.0, None, 120.0, 80.0, 500.0, {"llm": "local/smollm2"}, 0.25)


async def rows(database: Database) -> list[MessageRow]:
    async with database.read() as session:
        return list(await session.scalars(select(MessageRow).order_by(MessageRow.position)))


async def said(
    journal: StoredJournal, owner: str = "ada", wished: str = CONVERSATION
) -> list[tuple[str, str]]:
    return [(one.role, one.text) for one in (await journal.open(owner, wished)).messages]


async def test_what_was_said_and_heard_is_remembered_in_order(journal: StoredJournal) -> None:
    await journal.record("ada", CONVERSATION, Began("ada's phone"))
    await journal.record("ada", CONVERSATION, user("m1", "Tell me a story."))
    await journal.record("ada", CONVERSATION, wrote("m2", "Once upon a time. The end."))
    assert await said(journal) == [("user", "Tell me a story."), ("assistant", "Once upon a time. The end.")]
    await journal.record("ada", CONVERSATION, heard("m2", "Once upon"))
    await journal.record("ada", CONVERSATION, ServerSaid(TURN, "Sorry."))
    await journal.record("ada", CONVERSATION, user("m3", "Stop."))
    await journal.record("ada", CONVERSATION, wrote("m4", "Fine."))
    await journal.record("ada", CONVERSATION, heard("m4", ""))
    assert await said(journal) == [
        ("user", "Tell me a story."),
        ("assistant", "Once upon"),
        ("user", "Stop."),
    ]


async def test_a_message_keeps_what_is_known_of_it(journal: StoredJournal, database: Database) -> None:
    await journal.record("ada", CONVERSATION, Began("ada's phone"))
    await journal.record("ada", CONVERSATION, user("m1", "Tell me a story."))
    await journal.record("ada", CONVERSATION, wrote("m2", "Once upon a time."))
    await journal.record("ada", CONVERSATION, TurnMeasured(metrics()))
    await journal.record("ada", CONVERSATION, heard("m2", "Once upon"))
    question, reply = await rows(database)
    assert (question.spoken, question.language, question.confidence) == (True, "en", 0.9)
    assert (question.timings, question.providers) == ({}, {})
    assert (reply.content, reply.written, reply.heard_ms) == ("Once upon", "Once upon a time.", 1_200.0)
    assert reply.is_complete is False
    assert reply.timings == {
        "endpoint_ms": 300.0,
        "llm_first_token_ms": 120.0,
        "tts_first_audio_ms": 80.0,
        "response_ms": 500.0,
    }
    assert (reply.providers, reply.cost) == ({"llm": "local/smollm2"}, 0.25)
    async with database.read() as session:
        conversation = (await session.scalars(select(ConversationRow))).one()
    assert (conversation.owner, conversation.user_id) == ("ada", "ada's phone")
    assert conversation.title == "Tell me a story."
    assert conversation.updated_at_ms == conversation.created_at_ms == 1_769_860_800_000


async def test_a_reply_that_was_cut_before_its_text_was_whole(
    journal: StoredJournal, database: Database
) -> None:
    await journal.record("ada", CONVERSATION, Began("ada"))
    await journal.record("ada", CONVERSATION, heard("m2", "Once upon"))
    (reply,) = await rows(database)
    assert (reply.content, reply.written) == ("Once upon", None)


async def test_nobody_reaches_anothers(journal: StoredJournal) -> None:
    await journal.record("ada", CONVERSATION, Began("ada"))
    await journal.record("ada", CONVERSATION, user("m1", "A secret."))
    found = await journal.open("eve", CONVERSATION)
    assert (found.is_unknown, found.is_new, found.messages) == (True, True, ())
    assert found.id != CONVERSATION


async def test_one_that_is_deleted_while_it_is_talked_in_begins_anew(
    journal: StoredJournal, database: Database
) -> None:
    await journal.record("ada", CONVERSATION, Began("ada"))
    await journal.record("ada", CONVERSATION, user("m1", "Forget this."))
    async with database.write() as session:
        await session.execute(text("DELETE FROM conversations"))
    assert await rows(database) == []
    await journal.record("ada", CONVERSATION, user("m2", "And now?"))
    assert await said(journal) == [("user", "And now?")]


async def test_an_entry_that_breaks_a_rule_takes_no_other_along(journal: StoredJournal) -> None:
    await journal.record("ada", CONVERSATION, Began("ada"))
    too_long = TurnId("turn_" + "1" * 80)
    entries = [
        journal.record("ada", CONVERSATION, user("m1", "Before.")),
        journal.record(
            "ada", CONVERSATION, UserSaid(too_long, Message(MessageId("\0" * 90), "user", "\0"), True)
        ),
        journal.record("ada", CONVERSATION, user("m3", "After.")),
    ]
    await asyncio.gather(*entries, return_exceptions=True)
    assert [words for _, words in await said(journal)][0] == "Before."
    assert [words for _, words in await said(journal)][-1] == "After."


async def test_fifty_writers_at_once_lose_nothing(database: Database) -> None:
    """And a second process, which is another `Database`, writes as well."""
    other = Database(str(database.url.render_as_string(hide_password=False)))
    journals = [StoredJournal(database, HandClock()) for _ in range(25)]
    journals += [StoredJournal(other, HandClock()) for _ in range(25)]

    async def write(number: int, journal: StoredJournal) -> None:
        conversation = ConversationId(f"conv_{number}")
        await journal.record("ada", conversation, Began("ada"))
        for n in range(20):
            await journal.record("ada", conversation, user(f"m{number}_{n}", "Hello"))
        journal.close()

    async with asyncio.TaskGroup() as tasks:
        for number, journal in enumerate(journals):
            tasks.create_task(journal.run())
            tasks.create_task(write(number, journal))
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(MessageRow)) == 50 * 20
    assert not any(journal.is_in_trouble for journal in journals)
    await other.close()


async def test_what_a_full_disk_refuses_is_written_later(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'full.db'}")
    await database.open()
    journal = StoredJournal(database, HandClock())
    writing = asyncio.create_task(journal.run())
    await journal.record("ada", CONVERSATION, Began("ada"))

    async def allow(pages: str) -> None:
        async with database.read() as session:
            await session.execute(text(f"PRAGMA max_page_count = {pages}"))

    await allow("1")  # no more than there are
    long = user("m1", "word " * 20_000)
    with pytest.raises(StoreError):
        await journal.record("ada", CONVERSATION, long)
    with pytest.raises(StoreError):
        await journal.record("ada", CONVERSATION, user("m2", "Short."))  # told at once
    await allow("1000000")
    journal.close()
    await writing
    assert len(await said(journal)) == 2
    await database.close()


async def test_what_a_read_only_postgresql_refuses_is_written_later(postgres: PostgresServer) -> None:
    """As a standby is, until it takes over."""
    url = postgres.new_database()
    database = Database(url)
    await database.open()
    journal = StoredJournal(database, HandClock())
    async with database.engine.begin() as connection:
        name = await connection.scalar(text("SELECT current_database()"))
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    await database.engine.dispose()  # the setting is for new connections
    writing = asyncio.create_task(journal.run())
    try:
        journal.record("anna", CONVERSATION, Began("anna"))
        with pytest.raises(StoreError):
            await journal.record("anna", CONVERSATION, user("msg_1", "Hello."))
        async with database.engine.connect() as connection:
            await connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"))
            await connection.commit()
            await connection.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
            await connection.commit()
        await database.engine.dispose()
        async with asyncio.timeout(30):
            while journal.is_in_trouble:
                await asyncio.sleep(0.05)
        remembered = await journal.open("anna", CONVERSATION)
        assert [one.text for one in remembered.messages] == ["Hello."]
    finally:
        journal.close()
        await writing
        await database.close()


async def test_an_id_that_no_database_can_hold_is_unknown(journal: StoredJournal) -> None:
    remembered = await journal.open("anna", "conv\x00")
    assert remembered.is_unknown
    assert remembered.is_new


async def test_what_was_said_is_in_no_error(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.write() as session:
            await write_line(session, Line("anna", CONVERSATION, Began("anna"), 0))
            session.add(
                MessageRow(conversation_id=CONVERSATION, owner="anna", role="user", content="A secret.")
            )
            await session.flush()
    assert "secret" not in str(caught.value)


async def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "locked.db"
    database = Database(f"sqlite:///{file}")
    await database.open()
    journal = StoredJournal(database, HandClock())
    writing = asyncio.create_task(journal.run())
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        saved = asyncio.ensure_future(journal.record("ada", CONVERSATION, Began("ada")))
        await asyncio.sleep(0.2)
        assert not saved.done()
        assert (await journal.open("ada", CONVERSATION)).is_new  # reading goes on
        other.execute("ROLLBACK")
    other.close()
    await saved
    journal.close()
    await writing
    await database.close()


async def test_too_much_that_waits_is_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'never.db'}")
    journal = StoredJournal(database, HandClock(), most_waiting=2)
    for _ in range(2):
        journal.record("ada", CONVERSATION, Began("ada"))
    with pytest.raises(StoreError, match="lost"):
        await journal.record("ada", CONVERSATION, Began("ada"))
    await database.close()
