"""Where a session's ledger is kept; the store, or memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_server.core.commands import Entry
from voice_server.core.history import Message
from voice_server.ids import ConversationId


@dataclass(frozen=True, slots=True)
class Remembered:
    """A conversation as it stands. `is_unknown`: the wished-for one was not found, this one is new."""

    id: ConversationId
    messages: Sequence[Message] = ()
    is_unknown: bool = False


class Journal(Protocol):
    """Conversations by owner; nobody reaches another's."""

    def open(self, owner: str, wished: str | None) -> Remembered:
        """The wished-for conversation of this owner, or a new one."""
        ...

    def record(self, owner: str, conversation_id: ConversationId, entry: Entry) -> None:
        """Keep an entry. Never blocks."""
        ...
