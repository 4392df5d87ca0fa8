"""Vectors in PostgreSQL, by pgvector: half precision, with an HNSW index over all of them.

A scope that holds few of the vectors is compared one by one: the index knows no owners, and would look
through everybody's before it has found enough of one.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from voice_server.store.database import Database
from voice_server.store.search import Embedded, Scope, Vector

EXACT_UP_TO = 20_000
"""Vectors in a scope that are compared one by one: about 8 ms."""
MOST_INDEXED_DIMENSIONS = 4_000
"""Of HNSW over half precision; longer vectors are compared one by one."""
_LOOKED_AT = 200  # candidates of the index; recall grows with them, and time
_LOOKED_AT_IN_ALL = 200_000  # … before a scope that holds few of them is given up


class PostgresVectors:
    """The `Vectors` of a PostgreSQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, model: str, dimensions: int) -> None:
        async with self._database.write() as session:
            others = text("SELECT 1 FROM message_vectors WHERE model <> :model LIMIT 1")
            if (await session.execute(others, {"model": model})).first() is not None:
                await session.execute(text("DELETE FROM message_vectors"))
                await session.execute(
                    text(
                        "INSERT INTO embedding_queue (position, owner) SELECT position, owner FROM messages"
                        " ON CONFLICT DO NOTHING"
                    )
                )
            if dimensions <= MOST_INDEXED_DIMENSIONS:
                await session.execute(
                    text(
                        f"CREATE INDEX IF NOT EXISTS message_vectors_{dimensions} ON message_vectors"
                        f" USING hnsw ((vector\\:\\:halfvec({dimensions})) halfvec_cosine_ops)"
                        f" WHERE dimensions = {dimensions}"
                    )
                )

    async def keep(self, model: str, embedded: Iterable[Embedded]) -> None:
        insert = text(
            "INSERT INTO message_vectors (position, owner, user_id, model, dimensions, vector)"
            " SELECT m.position, m.owner, c.user_id, :model, :dimensions,"
            " CAST(CAST(:vector AS text) AS halfvec)"
            " FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            " WHERE m.position = :position AND m.content = :content"
            " ON CONFLICT (position) DO UPDATE SET model = excluded.model, dimensions = excluded.dimensions,"
            " vector = excluded.vector"
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
                "dimensions": len(one.vector),
                "vector": _literal(one.vector),
            }
            for one in embedded
        ]
        if rows:
            async with self._database.write() as session:
                await session.execute(insert, rows)
                await session.execute(done, rows)

    async def nearest(self, scope: Scope, vector: Vector, most: int) -> list[tuple[int, float]]:
        async with self._database.read() as session:
            # An owner of few messages and one of many want different plans.
            await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
            if scope.conversation_id is not None or await self._is_small(session, scope):
                # Plus nothing, so that the index, which is of the bare distance, does not serve.
                distance = "(v.vector <=> CAST(CAST(:vector AS text) AS halfvec)) + 0"
            else:
                await session.execute(text(f"SET LOCAL hnsw.ef_search = {_LOOKED_AT}"))
                await session.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
                await session.execute(text(f"SET LOCAL hnsw.max_scan_tuples = {_LOOKED_AT_IN_ALL}"))
                kind = f"halfvec({len(vector)})"
                distance = f"CAST(v.vector AS {kind}) <=> CAST(CAST(:vector AS text) AS {kind})"
            query = text(
                f"SELECT v.position, {distance} AS distance FROM message_vectors v{_join(scope)}"
                f" WHERE v.owner = :owner AND v.dimensions = {len(vector)}{_within(scope)}"
                " ORDER BY distance LIMIT :most"
            )
            rows = await session.execute(query, scope.named | {"vector": _literal(vector), "most": most})
            near = [(row[0], 1 - row[1]) for row in rows]
        return sorted(near, key=lambda one: (-one[1], -one[0]))

    async def cosines(self, positions: Sequence[int], vector: Vector) -> Mapping[int, float]:
        query = text(
            "SELECT position, vector <=> CAST(CAST(:vector AS text) AS halfvec) FROM message_vectors"
            f" WHERE position IN :positions AND dimensions = {len(vector)}"
        ).bindparams(bindparam("positions", expanding=True))
        async with self._database.read() as session:
            rows = await session.execute(query, {"vector": _literal(vector), "positions": list(positions)})
            return {row[0]: 1 - row[1] for row in rows}

    async def _is_small(self, session: AsyncSession, scope: Scope) -> bool:
        query = text(
            "SELECT count(*) FROM (SELECT 1 FROM message_vectors v WHERE v.owner = :owner"
            f"{_within(scope)} LIMIT {EXACT_UP_TO + 1}) counted"
        )
        count: int = (await session.execute(query, scope.named)).scalar_one()
        return count <= EXACT_UP_TO


def _join(scope: Scope) -> str:
    return " JOIN messages m ON m.position = v.position" if scope.conversation_id is not None else ""


def _within(scope: Scope) -> str:
    user = " AND v.user_id = :user_id" if scope.user_id is not None else ""
    conversation = " AND m.conversation_id = :conversation_id" if scope.conversation_id is not None else ""
    return user + conversation


def _literal(vector: Vector) -> str:
    return "[" + ",".join(f"{number:.5g}" for number in vector.tolist()) + "]"
