"""The tables. Times are milliseconds since 1970 in UTC, so that both databases compare them alike."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = String(64)
Name = String(200)


class Base(DeclarativeBase):
    """What all tables have in common."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON, list[float]: JSON, int: BigInteger}


class ConversationRow(Base):
    """A conversation of an owner. `user_id` is the owner's own label for one of its people."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index("conversations_by_owner", "owner", "updated_at_ms"),
        Index("conversations_by_user", "owner", "user_id", "updated_at_ms"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner: Mapped[str] = mapped_column(Name)
    user_id: Mapped[str] = mapped_column(Name)
    title: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Name)
    system_prompt: Mapped[str | None] = mapped_column(Text)
    template: Mapped[str | None] = mapped_column(Name)
    template_variables: Mapped[dict[str, Any]] = mapped_column(default=dict)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(String(16), default="active")
    created_at_ms: Mapped[int]
    updated_at_ms: Mapped[int]


class MessageRow(Base):
    """A message. `content` is what counts: of a reply, what was heard once that is known.

    `written` keeps the whole of a reply that was cut. `position` orders the messages of a conversation.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_in_order", "conversation_id", "position"),
        Index("messages_by_turn", "turn_id"),
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    id: Mapped[str] = mapped_column(Id, unique=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    owner: Mapped[str] = mapped_column(Name)
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Text)
    written: Mapped[str | None] = mapped_column(Text)
    spoken: Mapped[bool] = mapped_column(default=False)
    turn_id: Mapped[str | None] = mapped_column(Id)
    language: Mapped[str | None] = mapped_column(String(35))
    confidence: Mapped[float | None]
    heard_ms: Mapped[float | None]
    is_complete: Mapped[bool | None]
    timings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    providers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    cost: Mapped[float | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at_ms: Mapped[int]


class FeedbackRow(Base):
    """What somebody thought of a message."""

    __tablename__ = "feedback"
    __table_args__ = (Index("feedback_by_conversation", "conversation_id", "created_at_ms"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner: Mapped[str] = mapped_column(Name)
    user_id: Mapped[str] = mapped_column(Name)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(Id)
    type: Mapped[str] = mapped_column(String(32))
    value: Mapped[float]
    comment: Mapped[str | None] = mapped_column(Text)
    created_at_ms: Mapped[int]


class TemplateRow(Base):
    """A user-made template; the built-in ones are not stored."""

    __tablename__ = "templates"
    __table_args__ = (UniqueConstraint("owner", "name", name="templates_one_name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner: Mapped[str] = mapped_column(Name)
    name: Mapped[str] = mapped_column(Name)
    display_name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(Text)
    system_prompt: Mapped[str] = mapped_column(Text)
    variables: Mapped[list[str]]
    defaults: Mapped[dict[str, Any]]
    example_usage: Mapped[str] = mapped_column(Text)
    tools: Mapped[list[str] | None]
    created_at_ms: Mapped[int]
    updated_at_ms: Mapped[int]


class ApiKeyRow(Base):
    """A key, by the hash of its text. It is shown once, when it is made."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(Name)
    owner: Mapped[str] = mapped_column(Name)
    tier: Mapped[str] = mapped_column(String(16))
    scopes: Mapped[list[str]]
    monthly_budget: Mapped[float | None]
    created_at_ms: Mapped[int]
    last_used_at_ms: Mapped[int | None]
    revoked_at_ms: Mapped[int | None]


class UsageRow(Base):
    """What a key used of a provider on a day (UTC, `2026-01-31`)."""

    __tablename__ = "usage"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    owner: Mapped[str] = mapped_column(Name, primary_key=True)
    key: Mapped[str] = mapped_column(Name, primary_key=True)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True)
    provider: Mapped[str] = mapped_column(Name, primary_key=True)
    model: Mapped[str] = mapped_column(Name, primary_key=True)
    requests: Mapped[int] = mapped_column(default=0)
    audio_ms: Mapped[int] = mapped_column(default=0)
    input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    characters: Mapped[int] = mapped_column(default=0)
    cost: Mapped[float] = mapped_column(default=0.0)


class CallerHabitsRow(Base):
    """How one caller of an owner pauses: the last pauses, oldest first."""

    __tablename__ = "caller_habits"
    __table_args__ = (Index("caller_habits_by_age", "learned_at_ms"),)

    owner: Mapped[str] = mapped_column(Name, primary_key=True)
    user_id: Mapped[str] = mapped_column(Name, primary_key=True)
    pauses_ms: Mapped[list[float]]
    learned_at_ms: Mapped[int]


class WebSessionRow(Base):
    """A browser that has signed in with a key; the cookie's text is kept as a hash."""

    __tablename__ = "web_sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_id: Mapped[str] = mapped_column(Id)
    expires_at_ms: Mapped[int]
