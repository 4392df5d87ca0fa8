"""What was used, a row for each day, key and provider's model; and how fast replies came."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from voice_server.store.database import Database
from voice_server.store.tables import ConversationRow, MessageRow, UsageRow

_SUMS = ("requests", "audio_ms", "input_tokens", "output_tokens", "characters", "cost")
GROUPS = ("day", "key", "provider")
_MOST_ROWS = 5_000
_MOST_LATENCIES = 20_000


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one key used of one model on one day (UTC, `2026-01-31`)."""

    day: str
    owner: str
    key: str
    stage: str
    provider: str
    model: str
    requests: int = 0
    audio_ms: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    cost: float = 0.0


def place_of(one: UsageRecord) -> tuple[str, ...]:
    """The row that it is added to. Servers that add to several in this order do not block each other."""
    return (one.day, one.owner, one.key, one.stage, one.provider, one.model)


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Usage under one heading; what it is not grouped by is None. `requests` are those to the REST API,
    `calls` those of providers."""

    day: str | None
    key: str | None
    provider: str | None
    requests: int
    calls: int
    audio_ms: int
    input_tokens: int
    output_tokens: int
    characters: int
    cost: float


class UsageLedger:
    """The usage of every owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, records: Sequence[UsageRecord]) -> None:
        """Add to what is there."""
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        keys = [column.name for column in UsageRow.__table__.primary_key]
        async with self._database.write() as session:
            for record in sorted(records, key=place_of):
                values = {name: getattr(record, name) for name in (*keys, *_SUMS)}
                made = insert(UsageRow).values(values)
                added = {name: getattr(UsageRow, name) + made.excluded[name] for name in _SUMS}
                await session.execute(made.on_conflict_do_update(index_elements=keys, set_=added))

    async def report(
        self, owner: str | None, first_day: str, last_day: str, groups: Sequence[str]
    ) -> list[UsageSum]:
        """Usage from a day to a day, both included, of an owner or (None) of all, by these headings."""
        headings: list[ColumnElement[str]] = [getattr(UsageRow, name) for name in GROUPS if name in groups]
        is_api = UsageRow.stage == "api"
        sums = [
            func.sum(case((is_api, UsageRow.requests), else_=0)),
            func.sum(case((is_api, 0), else_=UsageRow.requests)),
            *(func.sum(getattr(UsageRow, name)) for name in _SUMS[1:]),
        ]
        wish = select(*headings, *sums).where(UsageRow.day >= first_day, UsageRow.day <= last_day)
        if owner is not None:
            wish = wish.where(UsageRow.owner == owner)
        wish = wish.group_by(*headings).order_by(*headings).limit(_MOST_ROWS)
        async with self._database.read() as session:
            rows = (await session.execute(wish)).all()
        found = []
        for row in rows:
            named = dict(zip([name for name in GROUPS if name in groups], row, strict=False))
            counts = row[len(headings) :]
            if counts[0] is None:  # the sum of nothing
                continue
            found.append(
                UsageSum(
                    named.get("day"),
                    named.get("key"),
                    named.get("provider"),
                    requests=int(counts[0]),
                    calls=int(counts[1]),
                    audio_ms=int(counts[2]),
                    input_tokens=int(counts[3]),
                    output_tokens=int(counts[4]),
                    characters=int(counts[5]),
                    cost=float(counts[6]),
                )
            )
        return found

    async def spent(self, key: str, month: str) -> float:
        """What a key cost in a month (`2026-01`), in USD."""
        wish = select(func.sum(UsageRow.cost)).where(
            UsageRow.key == key, UsageRow.day >= f"{month}-01", UsageRow.day <= f"{month}-31"
        )
        async with self._database.read() as session:
            return float(await session.scalar(wish) or 0)

    async def heard_ms(self, key: str, day: str) -> int:
        """How much speech was transcribed for a key on a day."""
        wish = select(func.sum(UsageRow.audio_ms)).where(
            UsageRow.key == key, UsageRow.day == day, UsageRow.stage == "stt"
        )
        async with self._database.read() as session:
            return int(await session.scalar(wish) or 0)

    async def latencies(self, owner: str, from_ms: int, to_ms: int) -> list[tuple[int, float]]:
        """When replies to an owner were written, and their `response_ms`; the newest first."""
        wish = (
            select(MessageRow.created_at_ms, MessageRow.timings)
            .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
            .where(
                # By the owner's conversations: messages have no index of owners.
                ConversationRow.owner == owner,
                ConversationRow.updated_at_ms >= from_ms,
                MessageRow.role == "assistant",
                MessageRow.created_at_ms >= from_ms,
                MessageRow.created_at_ms < to_ms,
            )
            .order_by(MessageRow.position.desc())
            .limit(_MOST_LATENCIES)
        )
        async with self._database.read() as session:
            rows = (await session.execute(wish)).all()
        return [(at_ms, timings["response_ms"]) for at_ms, timings in rows if "response_ms" in timings]
