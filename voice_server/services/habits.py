"""How callers pause, known from memory; whoever was not heard for longest is forgotten first."""

from collections import OrderedDict

from voice_server.clock import Clock
from voice_server.core.pauses import Pauses
from voice_server.store.habits import CallerPauses, HabitStore


class CallerHabits:
    """A `Habits` of at most `capacity` callers."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._known: OrderedDict[tuple[str, str], Pauses] = OrderedDict()

    def pauses(self, owner: str, user_id: str) -> Pauses:
        """What is known of this caller."""
        return self._known.get((owner, user_id), Pauses())

    def learn(self, owner: str, user_id: str, pauses: Pauses) -> None:
        """Know this from now on."""
        self._known[owner, user_id] = pauses
        self._known.move_to_end((owner, user_id))
        while len(self._known) > self.capacity:
            self._known.popitem(last=False)


class StoredHabits:
    """A `Habits` that outlasts the server: read when it starts, written beside the calls.

    What another server on the same database learns meanwhile is known here after the next start.
    """

    def __init__(self, store: HabitStore, clock: Clock, capacity: int) -> None:
        self._store = store
        self._clock = clock
        self._known = CallerHabits(capacity)
        self._unwritten: dict[tuple[str, str], CallerPauses] = {}

    def pauses(self, owner: str, user_id: str) -> Pauses:
        """What is known of this caller."""
        return self._known.pauses(owner, user_id)

    def learn(self, owner: str, user_id: str, pauses: Pauses) -> None:
        """Know this from now on."""
        self._known.learn(owner, user_id, pauses)
        if len(self._unwritten) < self._known.capacity or (owner, user_id) in self._unwritten:
            at_ms = round(self._clock.utc().timestamp() * 1000)
            self._unwritten[owner, user_id] = CallerPauses(owner, user_id, pauses, at_ms)

    async def read(self) -> None:
        """Know what the database knows.

        Raises:
            StoreError: it does not answer.
        """
        for one in await self._store.newest(self._known.capacity):
            self._known.learn(one.owner, one.user_id, one.pauses)

    async def write(self) -> None:
        """Write what was learned.

        Raises:
            StoreError: the database does not take it; nothing is lost.
        """
        if not self._unwritten:
            return
        writing, self._unwritten = self._unwritten, {}
        try:
            await self._store.keep(tuple(writing.values()), self._known.capacity)
        except BaseException:
            self._unwritten = writing | self._unwritten
            raise
