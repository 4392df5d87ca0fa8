"""Conversations in memory, until there is a store: a bounded number, the least recently used goes first."""

from collections import OrderedDict
from dataclasses import dataclass, field

from voice_server.core.commands import AssistantHeard, AssistantWrote, Entry, ServerSaid, UserSaid
from voice_server.core.history import Message
from voice_server.core.journal import Remembered
from voice_server.ids import ConversationId, MessageId, new_conversation_id


@dataclass(slots=True)
class Stored:
    """One conversation of one owner. A reply is kept whole until what was heard of it is known."""

    id: ConversationId
    owner: str
    messages: dict[MessageId, Message] = field(default_factory=dict)

    @property
    def heard(self) -> tuple[Message, ...]:
        """Oldest first, without replies of which nothing was heard."""
        return tuple(message for message in self.messages.values() if message.text)


class Conversations:
    """Every conversation that is remembered; the `Journal` of every session."""

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._stored: OrderedDict[ConversationId, Stored] = OrderedDict()

    def find(self, owner: str, conversation_id: str) -> Stored | None:
        """This owner's conversation of this id."""
        stored = self._stored.get(ConversationId(conversation_id))
        if stored is None or stored.owner != owner:
            return None
        self._stored.move_to_end(stored.id)
        return stored

    def create(self, owner: str) -> Stored:
        """A new, empty one."""
        stored = Stored(new_conversation_id(), owner)
        self._keep(stored)
        return stored

    def open(self, owner: str, wished: str | None) -> Remembered:
        """The wished-for conversation of this owner, or a new one."""
        if wished is not None and (stored := self.find(owner, wished)) is not None:
            return Remembered(stored.id, stored.heard)
        return Remembered(self.create(owner).id, is_unknown=wished is not None)

    def record(self, owner: str, conversation_id: ConversationId, entry: Entry) -> None:
        """Keep an entry of a session's ledger."""
        stored = self.find(owner, conversation_id)
        if stored is None:  # forgotten while its session lived on
            stored = Stored(conversation_id, owner)
            self._keep(stored)
        match entry:
            case (
                UserSaid(message=message) | AssistantWrote(message=message) | AssistantHeard(message=message)
            ):
                stored.messages[message.id] = message
            case ServerSaid():
                pass  # never history

    def _keep(self, stored: Stored) -> None:
        self._stored[stored.id] = stored
        while len(self._stored) > self._most:
            self._stored.popitem(last=False)
