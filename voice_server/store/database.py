"""The database behind a URL: a file of SQLite's, or a PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from voice_server.errors import ConfigurationError, StoreError

BUSY_TIMEOUT_MS = 5_000
_PASSING = ("08", "25006", "28", "40", "53", "55", "57", "58")
"""How the SQLSTATE of a trouble begins that is PostgreSQL's own and passes: it starts or stops, is a
read-only standby, full, or at odds with another writer. Its driver has one class of error for these and for
our faults."""
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}")


class Database:
    """Gives transactions.

    SQLite knows one writer at a time: within this process writers queue, and each takes the write lock as it
    begins, so that none has to be turned away in the middle.

    Args:
        url: `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`; `postgresql://` and
            `sqlite://` will do.

    Raises:
        ConfigurationError: no URL of a database that is known, or whose package is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url = _with_driver(sqlalchemy.make_url(url))
        except sqlalchemy.exc.ArgumentError as error:
            raise ConfigurationError(
                "database_url is no URL of a database; an example: postgresql://user:password@host/name."
            ) from error
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 20}
        self._anchor: sqlite3.Connection | None = None
        if self.is_sqlite and self.url.database in (None, "", ":memory:"):
            # It lasts as long as a connection to it, and a pool drops one whose user is cancelled. Several
            # would lock each other out, so the pool has one: who wants it waits for its turn.
            file = f"file:voice_server_{uuid4().hex}?mode=memory&cache=shared"
            self._anchor = sqlite3.connect(file, uri=True, check_same_thread=False)
            self.url = self.url.set(database=file, query={"uri": "true"})
            options = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0}
        try:  # parameters are hidden: they are what somebody said, and errors are logged
            self.engine = create_async_engine(self.url, hide_parameters=True, **options)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"database_url needs the package {error.name}: pip install 'voice-server[postgres]'."
            ) from error
        self._write_lock = asyncio.Lock()
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_connection)
            event.listen(self.engine.sync_engine, "begin", _begin)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite; else it is PostgreSQL."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def is_in_memory(self) -> bool:
        """Whether it ends when it is closed."""
        return self._anchor is not None

    async def open(self) -> None:
        """Make the file's folder where there is one to make, and bring the tables up to date.

        Raises:
            ConfigurationError: there is no database to be had at this URL.
        """
        from voice_server.store.schema import upgrade  # alembic is large, and needed only here

        try:
            if self.is_sqlite and not self.is_in_memory:
                assert self.url.database is not None
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            await upgrade(self)
        except (DBAPIError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise ConfigurationError(
                f"The database {self.url.render_as_string()} cannot be used: {cause}."
            ) from error

    async def close(self) -> None:
        """Let go of every connection."""
        await self.engine.dispose()
        if self._anchor is not None:
            self._anchor.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads.

        Raises:
            StoreError: the database does not answer.
        """
        with _told():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed at the end, or undone by an exception.

        Raises:
            StoreError: it could not be committed; it left nothing behind.
        """
        with _told():
            if not self.is_sqlite:
                async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                    yield session
                return
            async with self._write_lock:
                writer = self.engine.execution_options(writes=True)
                async with AsyncSession(writer, expire_on_commit=False) as session, session.begin():
                    yield session


class _told:
    """Turns what a database says of itself into a `StoreError`; a broken rule of ours stays what it is."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PoolTimeout | OSError) or isinstance(error, DBAPIError) and _passes(error):
            raise StoreError("The database does not take this now; it is tried again.") from error


def _passes(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, OperationalError) or error.connection_invalidated or state.startswith(_PASSING)


def _with_driver(url: sqlalchemy.URL) -> sqlalchemy.URL:
    match url.get_backend_name():
        case "sqlite":
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+asyncpg")
        case other:
            raise ConfigurationError(f"database_url is for {other}; known are sqlite and postgresql.")


def _prepare_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is said by `_begin`, not when the driver thinks so
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sqlalchemy.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
