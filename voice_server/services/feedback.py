"""What the feedback of a conversation comes to."""

from collections.abc import Sequence
from dataclasses import dataclass

from voice_server.errors import ProtocolError
from voice_server.store.feedback import Feedback, FeedbackType

LOWEST_RATING, HIGHEST_RATING = 1, 5
_DEFAULT_VALUES = {FeedbackType.THUMBS_UP: 1.0, FeedbackType.THUMBS_DOWN: -1.0, FeedbackType.REPORT: 0.0}


@dataclass(frozen=True, slots=True)
class Analysis:
    """Counts over a conversation's messages. `average_rating` is None where nobody judged."""

    total_messages: int
    messages_with_feedback: int
    positive: int
    negative: int
    average_rating: float | None


def analyse(total_messages: int, given: Sequence[Feedback]) -> Analysis:
    """Count. On a scale of 1 to 5 a thumb up is 5, a thumb down 1, a rating itself; a report is no rating.

    Positive are thumbs up and ratings from 4 on, negative thumbs down, ratings up to 2, and reports.
    """
    ratings = {one.id: rating for one in given if (rating := _rating(one)) is not None}
    reports = sum(one.type is FeedbackType.REPORT for one in given)
    return Analysis(
        total_messages=total_messages,
        messages_with_feedback=len({one.message_id for one in given}),
        positive=sum(rating >= 4 for rating in ratings.values()),
        negative=sum(rating <= 2 for rating in ratings.values()) + reports,
        average_rating=round(sum(ratings.values()) / len(ratings), 2) if ratings else None,
    )


def value_of(kind: FeedbackType, value: float | None) -> float:
    """The value to keep: what was sent, or what the type says by itself.

    Raises:
        ProtocolError: a rating that is missing or outside its scale.
    """
    if kind is not FeedbackType.RATING:
        return _DEFAULT_VALUES[kind] if value is None else value
    if value is None or not LOWEST_RATING <= value <= HIGHEST_RATING:
        raise ProtocolError(
            f"feedback_value of a rating must be from {LOWEST_RATING} to {HIGHEST_RATING}.",
            code="invalid_request",
        )
    return value


def _rating(one: Feedback) -> float | None:
    match one.type:
        case FeedbackType.THUMBS_UP:
            return HIGHEST_RATING
        case FeedbackType.THUMBS_DOWN:
            return LOWEST_RATING
        case FeedbackType.RATING:
            return one.value
        case FeedbackType.REPORT:
            return None
