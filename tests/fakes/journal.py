"""A journal that keeps every entry in a list, and the messages as they stand."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from voice_server.core.commands import AssistantHeard, AssistantWrote, Entry, UserSaid
from voice_server.core.history import Message
from voice_server.core.journal import Remembered
from voice_server.core.wire import Changes
from voice_server.ids import ConversationId, MessageId


@dataclass(slots=True)
class MemoryJournal:
    """Conversations are numbered: `conv_1`, `conv_2` …"""

    entries: list[tuple[ConversationId, Entry]] = field(default_factory=list)
    owners: dict[ConversationId, str] = field(default_factory=dict)
    kept: dict[ConversationId, dict[MessageId, Message]] = field(default_factory=dict)
    wishes: dict[ConversationId, Changes] = field(default_factory=dict)

    async def open(self, owner: str, wished: str | None, user_id: str | None = None) -> Remembered:
        known = ConversationId(wished or "")
        if self.owners.get(known) == owner:
            return Remembered(known, self.messages(known), self.wishes.get(known, Changes()))
        new = ConversationId(f"conv_{len(self.owners) + 1}")
        self.owners[new], self.kept[new] = owner, {}
        return Remembered(new, is_new=True, is_unknown=wished is not None)

    def record(self, owner: str, conversation_id: ConversationId, entry: Entry) -> Awaitable[None]:
        assert self.owners[conversation_id] == owner
        self.entries.append((conversation_id, entry))
        if isinstance(entry, UserSaid | AssistantWrote | AssistantHeard):
            self.kept[conversation_id][entry.message.id] = entry.message
        return self.saving(entry)

    def saving(self, entry: Entry) -> Awaitable[None]:
        """What tells that an entry is safe: at once, unless a test thinks otherwise."""
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        saved.set_result(None)
        return saved

    def messages(self, conversation_id: str) -> tuple[Message, ...]:
        """Oldest first, without those of which nothing was heard."""
        return tuple(one for one in self.kept[ConversationId(conversation_id)].values() if one.text)

    def said(self, conversation_id: str) -> list[tuple[str, str]]:
        """(role, text) of the messages."""
        return [(one.role, one.text) for one in self.messages(conversation_id)]
