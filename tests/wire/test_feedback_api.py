"""Feedback over the REST port, with the seed's own bodies."""

import pytest

from tests.wire.rig import Json, serving


async def test_the_seeds_feedback_is_kept_and_analysed() -> None:
    async with serving() as served, served.rest() as http:
        reply = (await http.post("/api/chat", json={"message": "Hello", "user_id": "user123"})).json()
        body: Json = {
            "conversation_id": reply["conversation_id"],
            "message_id": reply["message_id"],
            "feedback_type": "thumbs_up",
            "feedback_value": 1,
            "comment": "Great response!",
            "user_id": "user123",
        }
        given = (await http.post("/api/feedback", json=body)).json()
        assert given["status"] == "success"
        assert given["feedback_id"].startswith("fb_")
        analysis = (await http.get(f"/api/feedback/analyze/{reply['conversation_id']}")).json()
        assert analysis["conversation_id"] == reply["conversation_id"]
        assert analysis["total_messages"] == 2
        assert analysis["messages_with_feedback"] == 1
        assert (analysis["positive_feedback"], analysis["negative_feedback"]) == (1, 0)
        assert analysis["average_rating"] == 5
        (detail,) = analysis["feedback_details"]
        assert detail["message_id"] == reply["message_id"]
        assert (detail["feedback_type"], detail["feedback_value"]) == ("thumbs_up", 1)
        assert detail["timestamp"].endswith("Z")
        assert detail["feedback_id"] == given["feedback_id"]

        # A change of mind, another user (by header), and a report.
        await http.post("/api/feedback", json=body | {"feedback_type": "thumbs_down", "feedback_value": -1})
        other = {name: value for name, value in body.items() if name != "user_id"}
        rating = other | {"feedback_type": "rating", "feedback_value": 4}
        await http.post("/api/v1/feedback", json=rating, headers={"X-Session-ID": "device"})
        await http.post("/api/feedback", json=other | {"feedback_type": "report", "feedback_value": 1})
        analysis = (await http.get(f"/api/v1/feedback/analyze/{reply['conversation_id']}")).json()
        assert len(analysis["feedback_details"]) == 3
        assert (analysis["positive_feedback"], analysis["negative_feedback"]) == (1, 2)
        assert analysis["average_rating"] == 2.5  # of 1 and 4; a report is no rating


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"feedback_type": "applause"}, 400, "invalid_request"),
        ({"feedback_type": "rating", "feedback_value": 6}, 400, "invalid_request"),
        ({"feedback_type": "rating", "feedback_value": None}, 400, "invalid_request"),
        ({"feedback_value": "much"}, 400, "invalid_request"),
        ({"message_id": "msg_none"}, 404, "unknown_message"),
        ({"conversation_id": "conv_none"}, 404, "unknown_message"),
        ({"comment": "\x00"}, 400, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused(change: Json, status: int, code: str) -> None:
    async with serving() as served, served.rest() as http:
        reply = (await http.post("/api/chat", json={"message": "Hello"})).json()
        body = {**reply, "feedback_type": "thumbs_up", "feedback_value": 1, **change}
        answer = await http.post("/api/feedback", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        analysis = (await http.get(f"/api/feedback/analyze/{reply['conversation_id']}")).json()
        assert analysis["messages_with_feedback"] == 0
        assert analysis["average_rating"] is None
        unknown = await http.get("/api/feedback/analyze/conv_none")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_conversation")
