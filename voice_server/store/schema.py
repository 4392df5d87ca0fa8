"""Brings a database's tables to the newest revision, or back to an older one."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from voice_server.errors import ConfigurationError
from voice_server.store.database import Database

_LOCK = 6789_8080  # servers that start together migrate one after the other


async def upgrade(database: Database, revision: str = "head") -> None:
    """Apply the migrations up to `revision`.

    Raises:
        ConfigurationError: the tables are of a revision that is not known here.
    """
    try:
        await _migrate(database, lambda config: command.upgrade(config, revision))
    except CommandError as error:
        raise ConfigurationError(
            f"The tables of the database {database.url.render_as_string()} were made by another version of "
            f"voice-server ({error}). Update this one, or name another database."
        ) from error


async def downgrade(database: Database, revision: str) -> None:
    """Undo the migrations after `revision`; `base` undoes all."""
    await _migrate(database, lambda config: command.downgrade(config, revision))


async def _migrate(database: Database, work: Callable[[Config], None]) -> None:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        work(config)

    engine = database.engine.execution_options(writes=True)
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        if database.is_sqlite:  # a table that is made anew must not take its children along
            await driver.execute("PRAGMA foreign_keys=OFF")
        async with connection.begin():
            if not database.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(run)
        if database.is_sqlite:
            await driver.execute("PRAGMA foreign_keys=ON")
