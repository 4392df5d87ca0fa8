"""Both databases, so that every test of the store runs on each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from voice_server.store.database import Database

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.store)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: no table is in it yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open, with its tables."""
    database = Database(database_url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
