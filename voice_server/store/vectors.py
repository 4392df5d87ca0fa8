"""Which way vectors are kept: as the database can."""

from voice_server.store.database import Database
from voice_server.store.postgres_vectors import PostgresVectors
from voice_server.store.search import Vectors
from voice_server.store.sqlite_vectors import SqliteVectors


def vectors_of(database: Database) -> Vectors:
    """The vectors of this database."""
    return SqliteVectors(database) if database.is_sqlite else PostgresVectors(database)
