"""Keys and signed-in browsers, both by the hash of what they bring."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, exists, or_, select, update

from voice_server.store.database import Database
from voice_server.store.tables import ApiKeyRow, WebSessionRow


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is kept; `hint` is the end of its text, to tell keys apart. Times in ms since 1970."""

    id: str
    name: str
    owner: str
    tier: str
    scopes: tuple[str, ...]
    hint: str
    monthly_budget: float | None
    created_at_ms: int
    last_used_at_ms: int | None = None
    revoked_at_ms: int | None = None


class Keys:
    """The keys of the database. Revoked ones stay, so that a hash is never taken for a new key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, record: KeyRecord, hash: str) -> None:
        """Keep a new key."""
        row = ApiKeyRow(
            id=record.id,
            hash=hash,
            hint=record.hint,
            name=record.name,
            owner=record.owner,
            tier=record.tier,
            scopes=list(record.scopes),
            monthly_budget=record.monthly_budget,
            created_at_ms=record.created_at_ms,
        )
        async with self._database.write() as session:
            session.add(row)

    async def find(self, hash: str) -> KeyRecord | None:
        """The live key of this hash."""
        wish = select(ApiKeyRow).where(ApiKeyRow.hash == hash, ApiKeyRow.revoked_at_ms.is_(None))
        async with self._database.read() as session:
            row = await session.scalar(wish)
        return None if row is None else _record(row)

    async def get(self, key_id: str) -> KeyRecord | None:
        """The live key of this id."""
        wish = select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at_ms.is_(None))
        async with self._database.read() as session:
            row = await session.scalar(wish)
        return None if row is None else _record(row)

    async def newest(self, limit: int, offset: int) -> list[KeyRecord]:
        """Every key, the newest first."""
        wish = select(ApiKeyRow).order_by(ApiKeyRow.created_at_ms.desc(), ApiKeyRow.id.desc())
        async with self._database.read() as session:
            rows = await session.scalars(wish.limit(limit).offset(offset))
            return [_record(row) for row in rows]

    async def exist(self) -> bool:
        """Whether a key was ever made."""
        async with self._database.read() as session:
            return bool(await session.scalar(select(exists().where(ApiKeyRow.id != ""))))

    async def revoked(self, ids: set[str]) -> set[str]:
        """Which of these are revoked."""
        if not ids:
            return set()
        wish = select(ApiKeyRow.id).where(ApiKeyRow.id.in_(ids), ApiKeyRow.revoked_at_ms.is_not(None))
        async with self._database.read() as session:
            return set(await session.scalars(wish))

    async def revoke(self, key: str, at_ms: int) -> list[KeyRecord]:
        """Revoke the live keys of this id or name; gives which those were."""
        mine = ApiKeyRow.revoked_at_ms.is_(None) & or_(ApiKeyRow.id == key, ApiKeyRow.name == key)
        async with self._database.write() as session:
            rows = list(await session.scalars(select(ApiKeyRow).where(mine)))
            for row in rows:
                row.revoked_at_ms = at_ms
            ids = [row.id for row in rows]
            await session.execute(delete(WebSessionRow).where(WebSessionRow.key_id.in_(ids)))
        return [_record(row) for row in rows]

    async def note_use(self, last_used_at_ms: Mapping[str, int]) -> None:
        """Keep when keys were last used."""
        async with self._database.write() as session:
            for key_id, at_ms in last_used_at_ms.items():
                await session.execute(
                    update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at_ms=at_ms)
                )

    async def sign_in(self, hash: str, key_id: str, now_ms: int, expires_at_ms: int) -> None:
        """Keep a browser that has signed in; those that expired are forgotten."""
        async with self._database.write() as session:
            await session.execute(delete(WebSessionRow).where(WebSessionRow.expires_at_ms <= now_ms))
            session.add(WebSessionRow(hash=hash, key_id=key_id, expires_at_ms=expires_at_ms))

    async def signed_in(self, hash: str, now_ms: int) -> str | None:
        """The id of the key with which this browser signed in."""
        wish = select(WebSessionRow.key_id).where(
            WebSessionRow.hash == hash, WebSessionRow.expires_at_ms > now_ms
        )
        async with self._database.read() as session:
            return await session.scalar(wish)

    async def sign_out(self, hash: str) -> None:
        """Forget a browser."""
        async with self._database.write() as session:
            await session.execute(delete(WebSessionRow).where(WebSessionRow.hash == hash))


def _record(row: ApiKeyRow) -> KeyRecord:
    return KeyRecord(
        row.id,
        row.name,
        row.owner,
        row.tier,
        tuple(row.scopes),
        row.hint,
        row.monthly_budget,
        row.created_at_ms,
        row.last_used_at_ms,
        row.revoked_at_ms,
    )
