"""The tables are made, and unmade, the same way on both databases."""

import pytest
from sqlalchemy import text

from voice_server.errors import ConfigurationError
from voice_server.store.database import Database
from voice_server.store.schema import downgrade, upgrade
from voice_server.store.tables import ConversationRow, MessageRow


async def test_migrations_go_down_and_up_again_with_data_in_the_tables(database: Database) -> None:
    async with database.write() as session:
        session.add(ConversationRow(id="conv_1", owner="a", user_id="u", created_at_ms=1, updated_at_ms=2))
        session.add(
            MessageRow(
                id="msg_1", conversation_id="conv_1", owner="a", role="user", content="hi", created_at_ms=1
            )
        )
    await downgrade(database, "base")
    await upgrade(database)
    async with database.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM messages"))).scalar_one() == 0


async def test_tables_of_a_newer_version_are_told_with_the_remedy(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"'9999'\)\. Update this one"):
        await database.open()
