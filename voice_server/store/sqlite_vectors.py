"""Vectors in SQLite: half-precision blobs, and in memory a thousand signs of each of those that are searched.

On which side of a plane a vector is, for planes of every direction, tells which vectors are near: candidates
are those that differ from the query in the fewest signs, and their true cosines decide. It needs no
extension, which many a Python cannot load.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from voice_server.store.database import Database
from voice_server.store.search import Embedded, Scope, Vector

CANDIDATES = 800
"""Fewest candidates whose true cosines are looked at."""
CANDIDATES_EACH = 4
"""… and how many for each result that is wanted."""
MOST_SIGNED = 2_000_000
"""Vectors whose signs are kept in memory, all scopes together: about 270 MB at 384 dimensions."""
_SIGNS = 1024


@dataclass(frozen=True, slots=True)
class _Signs:
    """The signs of a scope's vectors, in the order of their ids."""

    ids: NDArray[np.int64]
    words: NDArray[np.uint64]

    def nearest(self, vector: Vector, most: int) -> list[int]:
        apart = np.bitwise_count(self.words ^ np.frombuffer(_signs(vector), np.uint64)).sum(1, np.uint16)
        if most < len(apart):
            return [int(one) for one in self.ids[np.argpartition(apart, most)[:most]]]
        return [int(one) for one in self.ids]


class SqliteVectors:
    """The `Vectors` of a SQLite database. No id is used twice, so what is in memory is only added to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signs: OrderedDict[tuple[str, str | None], _Signs] = OrderedDict()

    async def prepare(self, model: str, dimensions: int) -> None:
        async with self._database.write() as session:
            others = text("SELECT 1 FROM message_vectors WHERE model <> :model LIMIT 1")
            if (await session.execute(others, {"model": model})).first() is None:
                return
            await session.execute(text("DELETE FROM message_vectors"))
            await session.execute(
                text(
                    "INSERT OR IGNORE INTO embedding_queue (position, owner)"
                    " SELECT position, owner FROM messages"
                )
            )
        self._signs.clear()

    async def keep(self, model: str, embedded: Iterable[Embedded]) -> None:
        insert = text(
            "INSERT OR REPLACE INTO message_vectors (position, owner, user_id, model, signs, vector)"
            " SELECT m.position, m.owner, c.user_id, :model, :signs, :vector"
            " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            " WHERE m.position = :position AND m.content = :content"
        )
        done = text(
            "DELETE FROM embedding_queue WHERE position = :position"
            " AND EXISTS (SELECT 1 FROM messages WHERE position = :position AND content = :content)"
        )
        rows = [
            {
                "position": one.position,
                "content": one.content,
                "model": model,
                "signs": _signs(one.vector),
                "vector": one.vector.astype(np.float16).tobytes(),
            }
            for one in embedded
        ]
        if rows:
            async with self._database.write() as session:
                await session.execute(insert, rows)
                await session.execute(done, rows)

    async def nearest(self, scope: Scope, vector: Vector, most: int) -> list[tuple[int, float]]:
        if scope.conversation_id is not None:
            return (await self._nearest_in_conversation(scope, vector))[:most]
        wanted = max(CANDIDATES, CANDIDATES_EACH * most)
        for _ in range(2):
            signs = await self._signs_of(scope)
            ids = await asyncio.to_thread(signs.nearest, vector, wanted)
            near = await self._cosines("id", ids, vector)
            if len(near) > len(ids) * 3 // 4:
                break
            self._signs.pop((scope.owner, scope.user_id), None)  # most of it has been deleted: read it anew
        return sorted(near.items(), key=_by_cosine)[:most]

    async def cosines(self, positions: Sequence[int], vector: Vector) -> Mapping[int, float]:
        return await self._cosines("position", positions, vector)

    async def _nearest_in_conversation(self, scope: Scope, vector: Vector) -> list[tuple[int, float]]:
        query = text(
            "SELECT v.position, v.vector FROM messages m JOIN message_vectors v ON v.position = m.position"
            " WHERE m.conversation_id = :conversation_id AND v.owner = :owner"
            + (" AND v.user_id = :user_id" if scope.user_id is not None else "")
        )
        async with self._database.read() as session:
            rows = (await session.execute(query, scope.named)).all()
        return sorted(_cosines_of([tuple(row) for row in rows], vector).items(), key=_by_cosine)

    async def _cosines(self, column: str, values: Sequence[int], vector: Vector) -> dict[int, float]:
        query = text(
            f"SELECT position, vector FROM message_vectors"
            f" WHERE {column} IN (SELECT value FROM json_each(:ones))"
        )
        async with self._database.read() as session:
            rows = (await session.execute(query, {"ones": json.dumps(list(values))})).all()
        return _cosines_of([tuple(row) for row in rows], vector)

    async def _signs_of(self, scope: Scope) -> _Signs:
        """The signs of everything in this scope, with what was added since they were last looked at."""
        key = (scope.owner, scope.user_id)
        known = self._signs.get(key)
        last = int(known.ids[-1]) if known is not None and len(known.ids) else 0
        query = text(
            "SELECT id, signs FROM message_vectors WHERE owner = :owner AND id > :last"
            + (" AND user_id = :user_id" if scope.user_id is not None else "")
            + " ORDER BY id"
        )
        async with self._database.read() as session:
            rows = (await session.execute(query, scope.named | {"last": last})).all()
        if rows or known is None:
            added = await asyncio.to_thread(_read_signs, [tuple(row) for row in rows])
            if known is not None and len(known.ids):
                ids, words = (
                    np.concatenate([known.ids, added.ids]),
                    np.concatenate([known.words, added.words]),
                )
                added = _Signs(ids, words)
            known = added
        self._signs[key] = known
        self._signs.move_to_end(key)
        while len(self._signs) > 1 and sum(len(one.ids) for one in self._signs.values()) > MOST_SIGNED:
            self._signs.popitem(last=False)
        return known


def _by_cosine(one: tuple[int, float]) -> tuple[float, int]:
    return -one[1], -one[0]


def _signs(vector: Vector) -> bytes:
    """The sides of `_SIGNS` planes, or of as many as the vector is long.

    A Hadamard transform of the vector, with some of its numbers turned round, is a rotation that needs no
    stored matrix and is the same on every machine.
    """
    length = 1 << max(len(vector) - 1, 63).bit_length()
    rounds = max(1, _SIGNS // length)
    turned = np.pad(vector, (0, length - len(vector))) * _turns(rounds, length)
    width = 1
    while width < length:
        halves = turned.reshape(rounds, -1, 2, width)
        turned = np.stack([halves[:, :, 0] + halves[:, :, 1], halves[:, :, 0] - halves[:, :, 1]], axis=2)
        width *= 2
    return np.packbits(turned.reshape(-1) > 0).tobytes()


@cache
def _turns(rounds: int, length: int) -> NDArray[np.float32]:
    dice = hashlib.shake_128(b"signs of vectors").digest(rounds * length // 8)
    bits = np.unpackbits(np.frombuffer(dice, np.uint8)).reshape(rounds, length)
    return np.where(bits, np.float32(1), np.float32(-1))


def _read_signs(rows: Sequence[tuple[int, bytes]]) -> _Signs:
    ids = np.array([row[0] for row in rows], np.int64)
    words = np.frombuffer(b"".join(row[1] for row in rows), np.uint64)
    return _Signs(ids, words.reshape(len(rows), -1) if rows else words.reshape(0, 1))


def _cosines_of(rows: Sequence[tuple[int, bytes]], vector: Vector) -> dict[int, float]:
    if not rows:
        return {}
    stored = np.frombuffer(b"".join(row[1] for row in rows), np.float16).reshape(len(rows), -1)
    cosines = stored.astype(np.float32) @ vector
    return {row[0]: float(cosine) for row, cosine in zip(rows, cosines, strict=True)}
