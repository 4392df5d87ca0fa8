"""Feedback on messages, and what it comes to."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from voice_server.core.caller import Caller
from voice_server.rest.context import RestContext
from voice_server.rest.fields import Id, Name, PathId, Text, moment
from voice_server.rest.identity import identifier, user_of
from voice_server.services.feedback import analyse, value_of
from voice_server.store.feedback import Feedback, FeedbackType

Value = Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False)]


class FeedbackRequest(BaseModel):
    """What somebody thinks of a message. `feedback_value` is needed for a `rating`: 1 to 5."""

    conversation_id: Id
    message_id: Id
    feedback_type: FeedbackType
    feedback_value: Value | None = None
    comment: Text | None = None
    user_id: Name | None = None


class FeedbackAccepted(BaseModel):
    """It is kept."""

    status: Literal["success"] = "success"
    feedback_id: str


class FeedbackDetail(BaseModel):
    """One piece of feedback."""

    message_id: str
    feedback_type: str
    feedback_value: float
    timestamp: str
    feedback_id: str
    user_id: str
    comment: str | None


class FeedbackAnalysis(BaseModel):
    """The feedback of a conversation. `average_rating` is on a scale of 1 to 5, null where nobody judged."""

    conversation_id: str
    total_messages: int
    messages_with_feedback: int
    positive_feedback: int
    negative_feedback: int
    average_rating: float | None
    feedback_details: list[FeedbackDetail]


def feedback_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/feedback", tags=["feedback"])
    store = context.feedback
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.post("")
    async def give_feedback(request: Request, caller: Identified, wish: FeedbackRequest) -> FeedbackAccepted:
        """Keep it. A judgement replaces the one the same user gave of the same message; reports add up."""
        feedback = Feedback(
            conversation_id=wish.conversation_id,
            message_id=wish.message_id,
            user_id=user_of(request, caller, wish.user_id),
            type=wish.feedback_type,
            value=value_of(wish.feedback_type, wish.feedback_value),
            comment=wish.comment,
        )
        await store.add(caller.owner, feedback)
        return FeedbackAccepted(feedback_id=feedback.id)

    @router.get("/analyze/{conversation_id}")
    async def analyze_feedback(conversation_id: PathId, caller: Identified) -> FeedbackAnalysis:
        """Count it. A thumb up is 5, a thumb down 1, a rating itself; a report is negative but no rating."""
        total, given = await store.of_conversation(caller.owner, conversation_id)
        analysis = analyse(total, given)
        return FeedbackAnalysis(
            conversation_id=conversation_id,
            total_messages=analysis.total_messages,
            messages_with_feedback=analysis.messages_with_feedback,
            positive_feedback=analysis.positive,
            negative_feedback=analysis.negative,
            average_rating=analysis.average_rating,
            feedback_details=[
                FeedbackDetail(
                    message_id=one.message_id,
                    feedback_type=one.type.value,
                    feedback_value=one.value,
                    timestamp=moment(one.created_at_ms),
                    feedback_id=one.id,
                    user_id=one.user_id,
                    comment=one.comment,
                )
                for one in given
            ],
        )

    return router
