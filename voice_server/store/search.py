"""Messages to be searched: their words, their vectors, and the queue of those that have no vector yet.

Triggers keep the words and fill the queue (migration 0002), so it does not matter who wrote a message.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, text

from voice_server.store.database import Database

Vector = NDArray[np.float32]

MOST_HOLDING = 200
"""A word that more messages hold tells nothing about any of them, so more are not fetched."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which messages are searched."""

    owner: str
    user_id: str | None = None
    conversation_id: str | None = None

    @property
    def named(self) -> dict[str, object]:
        """What is said of the scope, as the parameters of a query."""
        named = {"owner": self.owner, "user_id": self.user_id, "conversation_id": self.conversation_id}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message, and its conversation as lists show it."""

    position: int
    id: str
    conversation_id: str
    role: str
    content: str
    created_at_ms: int
    title: str | None
    conversation_created_at_ms: int
    conversation_updated_at_ms: int


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A message without a vector of what it says now."""

    position: int
    content: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """A message and the vector, of unit length, of what it said when it was read."""

    position: int
    content: str
    vector: Vector


class Vectors(Protocol):
    """The vectors of one database. All are of one model."""

    async def prepare(self, model: str, dimensions: int) -> None:
        """Be ready for vectors of this model; those of another are dropped, their messages queued again."""
        ...

    async def keep(self, model: str, embedded: Iterable[Embedded]) -> None:
        """Keep them and take their messages off the queue, but for those that say something else by now."""
        ...

    async def nearest(self, scope: Scope, vector: Vector, most: int) -> list[tuple[int, float]]:
        """Position and cosine of the messages nearest to a vector, the nearest first."""
        ...

    async def cosines(self, positions: Sequence[int], vector: Vector) -> Mapping[int, float]:
        """The cosine of each of these messages that has a vector."""
        ...


class MessageIndex:
    """What search reads of the messages besides their vectors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def has_unembedded(self, owner: str) -> bool:
        """Whether any message of this owner waits for its vector."""
        query = text("SELECT 1 FROM embedding_queue WHERE owner = :owner LIMIT 1")
        async with self._database.read() as session:
            return (await session.execute(query, {"owner": owner})).first() is not None

    async def unembedded(self, owner: str | None, most: int, after: int = 0) -> list[Unembedded]:
        """The oldest messages, of this owner or of all, that wait for their vectors; those `after` one."""
        query = text(
            "SELECT m.position, m.content FROM embedding_queue q JOIN messages m ON m.position = q.position"
            f" WHERE q.position > :after{' AND q.owner = :owner' if owner is not None else ''}"
            " ORDER BY q.position LIMIT :most"
        )
        named: dict[str, object] = {"most": most, "after": after}
        if owner is not None:
            named["owner"] = owner
        async with self._database.read() as session:
            return [Unembedded(*row) for row in await session.execute(query, named)]

    async def holding(self, scope: Scope, words: Sequence[str]) -> dict[str, list[int]]:
        """For each of these words, positions of messages that hold it; `MOST_HOLDING` at most.

        What is between spaces is one word: of `anna@example.com` all parts must stand in this order.
        """
        if self._database.is_sqlite:
            source = "message_words w JOIN messages m ON m.position = w.rowid"
            holds = "message_words MATCH :word"
        else:
            source = "messages m"
            holds = "to_tsvector('simple', left(m.content, 100000)) @@ phraseto_tsquery('simple', :word)"
        query = text(
            f"SELECT m.position FROM {source} JOIN conversations c ON c.id = m.conversation_id"
            f" WHERE {holds} AND m.owner = :owner{_within(scope)} LIMIT :most"
        )
        found = {}
        async with self._database.read() as session:
            if not self._database.is_sqlite:  # rare words and common ones want different plans
                await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
            for word in words:
                wanted = _match(scope.owner, word) if self._database.is_sqlite else word
                rows = await session.execute(query, scope.named | {"word": wanted, "most": MOST_HOLDING})
                found[word] = list(rows.scalars())
        return found

    async def messages(self, owner: str, positions: Sequence[int]) -> dict[int, FoundMessage]:
        """These messages of this owner, by position."""
        query = text(
            "SELECT m.position, m.id, m.conversation_id, m.role, m.content, m.created_at_ms, c.title,"
            " c.created_at_ms, c.updated_at_ms"
            " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            " WHERE m.owner = :owner AND m.position IN :positions"
        ).bindparams(bindparam("positions", expanding=True))
        async with self._database.read() as session:
            rows = await session.execute(query, {"owner": owner, "positions": list(positions)})
            return {row[0]: FoundMessage(*row) for row in rows}

    async def knows_conversation(self, owner: str, conversation_id: str) -> bool:
        """Whether this owner has this conversation."""
        query = text("SELECT 1 FROM conversations WHERE id = :id AND owner = :owner")
        async with self._database.read() as session:
            return (await session.execute(query, {"id": conversation_id, "owner": owner})).first() is not None


def _within(scope: Scope) -> str:
    user = " AND c.user_id = :user_id" if scope.user_id is not None else ""
    conversation = " AND c.id = :conversation_id" if scope.conversation_id is not None else ""
    return user + conversation


def _match(owner: str, word: str) -> str:
    """In the language of FTS5."""
    match = f"content : {_phrase(word)}"
    if any(letter.isalnum() for letter in owner):  # spares a look at what others have said
        match = f"owner : {_phrase(owner)} AND {match}"
    return match


def _phrase(words: str) -> str:
    return '"' + words.replace('"', '""') + '"'
