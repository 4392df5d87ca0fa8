"""What people thought of messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import delete, func, insert, select

from voice_server.clock import Clock
from voice_server.errors import NotFoundError
from voice_server.ids import new_feedback_id
from voice_server.store.database import Database
from voice_server.store.tables import ConversationRow, FeedbackRow, MessageRow


class FeedbackType(StrEnum):
    """How somebody judged."""

    THUMBS_UP = "thumbs_up"
    THUMBS_DOWN = "thumbs_down"
    RATING = "rating"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one person thought of one message. `value` counts for a rating: 1 to 5."""

    conversation_id: str
    message_id: str
    user_id: str
    type: FeedbackType
    value: float
    comment: str | None = None
    created_at_ms: int = 0
    id: str = field(default_factory=new_feedback_id)


class FeedbackStore:
    """All methods raise `NotFoundError` for what this owner does not have."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, owner: str, feedback: Feedback) -> None:
        """Keep it. A judgement replaces the one that the same person gave before; reports are kept all."""
        message = select(MessageRow.id).where(
            MessageRow.id == feedback.message_id,
            MessageRow.conversation_id == feedback.conversation_id,
            MessageRow.owner == owner,
        )
        async with self._database.write() as session:
            if await session.scalar(message) is None:
                raise NotFoundError("There is no such message in this conversation.", code="unknown_message")
            if feedback.type is not FeedbackType.REPORT:
                await session.execute(
                    delete(FeedbackRow).where(
                        FeedbackRow.owner == owner,
                        FeedbackRow.conversation_id == feedback.conversation_id,  # which has an index
                        FeedbackRow.message_id == feedback.message_id,
                        FeedbackRow.user_id == feedback.user_id,
                        FeedbackRow.type != FeedbackType.REPORT,
                    )
                )
            await session.execute(
                insert(FeedbackRow).values(
                    id=feedback.id,
                    owner=owner,
                    user_id=feedback.user_id,
                    conversation_id=feedback.conversation_id,
                    message_id=feedback.message_id,
                    type=feedback.type.value,
                    value=feedback.value,
                    comment=feedback.comment,
                    created_at_ms=round(self._clock.utc().timestamp() * 1000),
                )
            )

    async def of_conversation(self, owner: str, conversation_id: str) -> tuple[int, Sequence[Feedback]]:
        """How many messages it has, and all that was thought of them, oldest first."""
        known = select(ConversationRow.id).where(
            ConversationRow.id == conversation_id, ConversationRow.owner == owner
        )
        count = select(func.count()).where(MessageRow.conversation_id == conversation_id)
        query = (
            select(FeedbackRow)
            .where(FeedbackRow.conversation_id == conversation_id, FeedbackRow.owner == owner)
            .order_by(FeedbackRow.created_at_ms, FeedbackRow.id)
        )
        async with self._database.read() as session:
            if await session.scalar(known) is None:
                raise NotFoundError("There is no conversation with this id.", code="unknown_conversation")
            messages = await session.scalar(count)
            rows = (await session.scalars(query)).all()
        return messages or 0, [_feedback_of(row) for row in rows]


def _feedback_of(row: FeedbackRow) -> Feedback:
    return Feedback(
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        user_id=row.user_id,
        type=FeedbackType(row.type),
        value=row.value,
        comment=row.comment,
        created_at_ms=row.created_at_ms,
        id=row.id,
    )
