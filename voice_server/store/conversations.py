"""Conversations and their messages. Whose they are is asked in every query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypedDict, TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from voice_server.clock import Clock
from voice_server.errors import NotFoundError
from voice_server.ids import ConversationId, MessageId, new_conversation_id, new_message_id
from voice_server.store.database import Database
from voice_server.store.ledger import title_of
from voice_server.store.tables import ConversationRow, MessageRow

Role = Literal["user", "assistant", "system"]
Status = Literal["active", "archived"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it stands. `details` are the caller's own, kept as they came."""

    id: ConversationId
    owner: str
    user_id: str
    title: str | None
    description: str | None
    model: str | None
    system_prompt: str | None
    template: str | None
    template_variables: Mapping[str, str]
    details: Mapping[str, Any]
    status: str
    created_at_ms: int
    updated_at_ms: int
    message_count: int


@dataclass(frozen=True, slots=True)
class NewConversation:
    """What a conversation begins with."""

    owner: str
    user_id: str
    title: str | None = None
    description: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    template: str | None = None
    template_variables: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    id: ConversationId = field(default_factory=new_conversation_id)


class ConversationChanges(TypedDict, total=False):
    """What may be changed of a conversation; what is absent stays."""

    title: str | None
    description: str | None
    model: str | None
    system_prompt: str | None
    template: str | None
    template_variables: Mapping[str, str]
    details: Mapping[str, Any]
    status: Status


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message. Of a spoken reply `content` is what was heard, `written` all of it."""

    id: MessageId
    conversation_id: ConversationId
    role: str
    content: str
    written: str | None
    spoken: bool
    turn_id: str | None
    language: str | None
    confidence: float | None
    heard_ms: float | None
    is_complete: bool | None
    timings: Mapping[str, Any]
    providers: Mapping[str, Any]
    cost: float | None
    details: Mapping[str, Any]
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A typed message. `created_at_ms` is when it came, if not now."""

    role: Role
    content: str
    is_complete: bool | None = None
    timings: Mapping[str, Any] = field(default_factory=dict)
    providers: Mapping[str, Any] = field(default_factory=dict)
    cost: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at_ms: int | None = None
    id: MessageId = field(default_factory=new_message_id)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list, and how long the whole list is."""

    items: Sequence[T]
    total: int


class ConversationStore:
    """All methods raise `NotFoundError` for a conversation that this owner does not have."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, new: NewConversation) -> Conversation:
        """Begin one without any message."""
        async with self._database.write() as session:
            await session.execute(insert(ConversationRow).values(self._begun(new)))
            return await _conversation(session, new.owner, new.id)

    async def get(self, owner: str, conversation_id: str) -> Conversation:
        """The conversation of this id."""
        async with self._database.read() as session:
            return await _conversation(session, owner, conversation_id)

    async def page(
        self,
        owner: str,
        *,
        user_id: str | None = None,
        status: Status | None = "active",
        newest_first: bool = True,
        limit: int = 10,
        offset: int = 0,
    ) -> Page[Conversation]:
        """By the time of their last change; of one person where `user_id` is given."""
        wanted = [ConversationRow.owner == owner]
        if user_id is not None:
            wanted.append(ConversationRow.user_id == user_id)
        if status is not None:
            wanted.append(ConversationRow.status == status)
        order = (ConversationRow.updated_at_ms, ConversationRow.id)
        query = (
            _conversations(*wanted)
            .order_by(*(column.desc() if newest_first else column for column in order))
            .limit(limit)
            .offset(offset)
        )
        async with self._database.read() as session:
            total = await session.scalar(select(func.count()).select_from(ConversationRow).where(*wanted))
            rows = (await session.execute(query)).all()
        return Page([_conversation_of(row, count) for row, count in rows], total or 0)

    async def change(self, owner: str, conversation_id: str, changes: ConversationChanges) -> Conversation:
        """Change what is named. Its own system prompt and a template replace each other."""
        values: dict[str, Any] = dict(changes)
        if values.get("template") is not None:
            values["system_prompt"] = None
        elif values.get("system_prompt") is not None:
            values |= {"template": None, "template_variables": {}}
        async with self._database.write() as session:
            await session.execute(
                update(ConversationRow)
                .where(ConversationRow.id == conversation_id, ConversationRow.owner == owner)
                .values(values | {"updated_at_ms": self._now_ms()})
            )
            return await _conversation(session, owner, conversation_id)

    async def delete(self, owner: str, conversation_id: str) -> None:
        """Delete it with all that belongs to it."""
        async with self._database.write() as session:
            await _conversation(session, owner, conversation_id)
            await session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))

    async def messages(
        self, owner: str, conversation_id: str, *, limit: int, offset: int = 0
    ) -> tuple[Conversation, Sequence[StoredMessage]]:
        """A stretch of its messages, oldest first, and the conversation they are of."""
        query = (
            select(MessageRow)
            .where(MessageRow.conversation_id == conversation_id)
            .order_by(MessageRow.position)
            .limit(limit)
            .offset(offset)
        )
        async with self._database.read() as session:
            conversation = await _conversation(session, owner, conversation_id)
            rows = (await session.scalars(query)).all()
        return conversation, [_message_of(row) for row in rows]

    async def newest(
        self, owner: str, conversation_id: str, count: int
    ) -> tuple[Conversation, Sequence[StoredMessage]]:
        """Its last messages of which there is anything, oldest first."""
        query = (
            select(MessageRow)
            .where(MessageRow.conversation_id == conversation_id, MessageRow.content != "")
            .order_by(MessageRow.position.desc())
            .limit(count)
        )
        async with self._database.read() as session:
            conversation = await _conversation(session, owner, conversation_id)
            rows = (await session.scalars(query)).all()
        return conversation, [_message_of(row) for row in reversed(rows)]

    async def add(
        self,
        owner: str,
        conversation_id: str,
        messages: Sequence[NewMessage],
        *,
        beginning: NewConversation | None = None,
    ) -> Sequence[StoredMessage]:
        """Add messages, all or none; `beginning`: to a conversation that begins with them."""
        now_ms = self._now_ms()
        async with self._database.write() as session:
            if beginning is not None:
                await session.execute(insert(ConversationRow).values(self._begun(beginning)))
            conversation = await _conversation(session, owner, conversation_id)
            rows = [
                MessageRow(
                    id=one.id,
                    conversation_id=conversation_id,
                    owner=owner,
                    role=one.role,
                    content=one.content,
                    is_complete=one.is_complete,
                    timings=dict(one.timings),
                    providers=dict(one.providers),
                    cost=one.cost,
                    details=dict(one.details),
                    spoken=False,
                    created_at_ms=one.created_at_ms or now_ms,
                )
                for one in messages
            ]
            for row in rows:  # one by one: their positions are their order
                session.add(row)
                await session.flush()
            values: dict[str, Any] = {"updated_at_ms": now_ms}
            first = next((one for one in messages if one.role == "user"), None)
            if conversation.title is None and first is not None:
                values["title"] = title_of(first.content)
            await session.execute(
                update(ConversationRow).where(ConversationRow.id == conversation_id).values(values)
            )
        return [_message_of(row) for row in rows]

    def _begun(self, new: NewConversation) -> dict[str, Any]:
        now_ms = self._now_ms()
        return {
            "id": new.id,
            "owner": new.owner,
            "user_id": new.user_id,
            "title": new.title,
            "description": new.description,
            "model": new.model,
            "system_prompt": new.system_prompt,
            "template": new.template,
            "template_variables": dict(new.template_variables),
            "details": dict(new.details),
            "status": "active",
            "created_at_ms": now_ms,
            "updated_at_ms": now_ms,
        }

    def _now_ms(self) -> int:
        return round(self._clock.utc().timestamp() * 1000)


def _conversations(*wanted: ColumnElement[bool]) -> "Select[ConversationRow, int]":
    count = (
        select(func.count())
        .where(MessageRow.conversation_id == ConversationRow.id)
        .correlate(ConversationRow)
        .scalar_subquery()
    )
    return select(ConversationRow, count).where(*wanted)


async def _conversation(session: AsyncSession, owner: str, conversation_id: str) -> Conversation:
    wanted = (ConversationRow.id == conversation_id, ConversationRow.owner == owner)
    found = (await session.execute(_conversations(*wanted))).one_or_none()
    if found is None:
        raise NotFoundError("There is no conversation with this id.", code="unknown_conversation")
    return _conversation_of(*found)


def _conversation_of(row: ConversationRow, message_count: int) -> Conversation:
    return Conversation(
        id=ConversationId(row.id),
        owner=row.owner,
        user_id=row.user_id,
        title=row.title,
        description=row.description,
        model=row.model,
        system_prompt=row.system_prompt,
        template=row.template,
        template_variables=row.template_variables,
        details=row.details,
        status=row.status,
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
        message_count=message_count,
    )


def _message_of(row: MessageRow) -> StoredMessage:
    return StoredMessage(
        id=MessageId(row.id),
        conversation_id=ConversationId(row.conversation_id),
        role=row.role,
        content=row.content,
        written=row.written,
        spoken=row.spoken,
        turn_id=row.turn_id,
        language=row.language,
        confidence=row.confidence,
        heard_ms=row.heard_ms,
        is_complete=row.is_complete,
        timings=row.timings,
        providers=row.providers,
        cost=row.cost,
        details=row.details,
        created_at_ms=row.created_at_ms,
    )
