"""What feedback comes to."""

import pytest

from voice_server.errors import ProtocolError
from voice_server.services.feedback import analyse, value_of
from voice_server.store.feedback import Feedback, FeedbackType


def given(kind: FeedbackType, value: float = 0, message_id: str = "msg_1") -> Feedback:
    return Feedback("conv_1", message_id, "ada", kind, value)


def test_thumbs_and_ratings_are_on_one_scale() -> None:
    analysis = analyse(
        10,
        [
            given(FeedbackType.THUMBS_UP, 1, "msg_1"),
            given(FeedbackType.THUMBS_DOWN, -1, "msg_2"),
            given(FeedbackType.RATING, 4, "msg_3"),
            given(FeedbackType.RATING, 3, "msg_3"),
            given(FeedbackType.REPORT, 0, "msg_4"),
        ],
    )
    assert analysis.total_messages == 10
    assert analysis.messages_with_feedback == 4
    assert analysis.positive == 2  # the thumb up and the 4
    assert analysis.negative == 2  # the thumb down and the report
    assert analysis.average_rating == 3.25  # of 5, 1, 4 and 3


def test_reports_alone_make_no_rating() -> None:
    assert analyse(1, [given(FeedbackType.REPORT)]).average_rating is None
    assert analyse(0, []).average_rating is None


@pytest.mark.parametrize("value", [None, 0, 0.5, 5.5, -1])
def test_a_rating_is_from_1_to_5(value: float | None) -> None:
    with pytest.raises(ProtocolError):
        value_of(FeedbackType.RATING, value)


def test_a_thumb_needs_no_value() -> None:
    assert value_of(FeedbackType.THUMBS_UP, None) == 1
    assert value_of(FeedbackType.THUMBS_DOWN, None) == -1
    assert value_of(FeedbackType.THUMBS_UP, 7) == 7
