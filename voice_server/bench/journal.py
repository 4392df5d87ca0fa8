"""Conversations in memory: what a turn costs without a database."""

import asyncio
from collections.abc import Awaitable

from voice_server.core.commands import AssistantHeard, AssistantWrote, Entry, UserSaid
from voice_server.core.history import Message
from voice_server.core.journal import Remembered
from voice_server.ids import ConversationId, MessageId, new_conversation_id


class MemoryJournal:
    """A `Journal` that ends with the process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ConversationId], dict[MessageId, Message]] = {}

    async def open(self, owner: str, wished: str | None, user_id: str | None = None) -> Remembered:
        known = ConversationId(wished or "")
        if (kept := self._kept.get((owner, known))) is not None:
            return Remembered(known, tuple(kept.values()))
        new = new_conversation_id()
        self._kept[owner, new] = {}
        return Remembered(new, is_new=True, is_unknown=wished is not None)

    def record(self, owner: str, conversation_id: ConversationId, entry: Entry) -> Awaitable[None]:
        if isinstance(entry, UserSaid | AssistantWrote | AssistantHeard):
            self._kept[owner, conversation_id][entry.message.id] = entry.message
        safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        safe.set_result(None)
        return safe
