"""How callers pause, a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from voice_server.core.pauses import Pauses
from voice_server.store.database import Database
from voice_server.store.tables import CallerHabitsRow, Name

_AT_ONCE = 500
_KEY = ("owner", "user_id")


@dataclass(frozen=True, slots=True)
class CallerPauses:
    """What is known of one caller, and when it was learned (ms since 1970)."""

    owner: str
    user_id: str
    pauses: Pauses
    learned_at_ms: int


class HabitStore:
    """The habits of every owner's callers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, count: int) -> list[CallerPauses]:
        """Those learned last, oldest first."""
        newest = select(CallerHabitsRow).order_by(CallerHabitsRow.learned_at_ms.desc()).limit(count)
        async with self._database.read() as session:
            rows = (await session.scalars(newest)).all()
        return [
            CallerPauses(row.owner, row.user_id, Pauses(tuple(row.pauses_ms)), row.learned_at_ms)
            for row in reversed(rows)
        ]

    async def keep(self, callers: Sequence[CallerPauses], most: int) -> None:
        """Know these from now on, and of all no more than `most`: the ones learned first are forgotten.

        A caller whose name no column can hold is left out.
        """
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        async with self._database.write() as session:
            for one in sorted(filter(_can_be_kept, callers), key=lambda one: (one.owner, one.user_id)):
                known = {"pauses_ms": list(one.pauses.lengths_ms), "learned_at_ms": one.learned_at_ms}
                made = insert(CallerHabitsRow).values(owner=one.owner, user_id=one.user_id, **known)
                await session.execute(made.on_conflict_do_update(index_elements=_KEY, set_=known))
            beyond = (
                select(CallerHabitsRow.owner, CallerHabitsRow.user_id)
                .order_by(CallerHabitsRow.learned_at_ms.desc())
                .offset(most)
                .limit(_AT_ONCE)
            )
            if gone := (await session.execute(beyond)).all():
                places = tuple_(CallerHabitsRow.owner, CallerHabitsRow.user_id)
                await session.execute(delete(CallerHabitsRow).where(places.in_([tuple(one) for one in gone])))


def _can_be_kept(one: CallerPauses) -> bool:
    # The client chooses the user id; a NUL or half a surrogate pair is text to JSON, but not to a database.
    return all(name.isprintable() and len(name) <= (Name.length or 0) for name in (one.owner, one.user_id))
