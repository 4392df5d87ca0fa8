"""Where a session's ledger is kept; the store, or memory."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_server.core.commands import Entry
from voice_server.core.history import Message
from voice_server.core.wire import Changes
from voice_server.errors import StoreError
from voice_server.ids import ConversationId


@dataclass(frozen=True, slots=True)
class Remembered:
    """A conversation as it stands.

    `is_new`: it has not begun yet, its first entry is to be `Began`; `is_unknown`: because the wished-for one
    was not found; `trouble`: because nobody could look. `wishes` are the conversation's own, such as
    its model and prompt.
    """

    id: ConversationId
    messages: Sequence[Message] = ()
    wishes: Changes = Changes()
    is_new: bool = False
    is_unknown: bool = False
    trouble: StoreError | None = None


class Journal(Protocol):
    """Conversations by owner; nobody reaches another's."""

    async def open(self, owner: str, wished: str | None, user_id: str | None = None) -> Remembered:
        """The wished-for conversation of this owner, or an id for a new one. Never raises.

        With a `user_id` it must be that user's.
        """
        ...

    def record(self, owner: str, conversation_id: ConversationId, entry: Entry) -> Awaitable[None]:
        """Keep an entry; entries are kept in the order in which they come. Never blocks.

        What it gives is done once the entry is safe, and raises `StoreError` when it cannot be made so for
        now; it is tried again all the same.
        """
        ...
