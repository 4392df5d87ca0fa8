"""How callers pause, kept in memory; whoever was not heard for longest is forgotten first."""

from collections import OrderedDict

from voice_server.core.pauses import Pauses


class CallerHabits:
    """A `Habits` of at most `capacity` callers."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, str], Pauses] = OrderedDict()

    def pauses(self, owner: str, user_id: str) -> Pauses:
        """What is known of this caller."""
        return self._known.get((owner, user_id), Pauses())

    def learn(self, owner: str, user_id: str, pauses: Pauses) -> None:
        """Know this from now on."""
        self._known[owner, user_id] = pauses
        self._known.move_to_end((owner, user_id))
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
