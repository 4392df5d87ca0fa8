"""Conversations over the REST port, in both spellings and versions."""

import re
from typing import Any

import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.wire.rig import KEY, Json, serving
from voice_server.client import VoiceClient

OTHER_KEY = "sk-test-another-key-of-somebody-else-0000"
MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

both_spellings = pytest.mark.parametrize(
    "base",
    ["/api/conversation", "/api/conversations", "/api/v1/conversation", "/api/v1/conversations"],
)


async def test_the_seeds_list() -> None:
    async with serving() as served, served.rest() as http:
        for n in range(3):
            await http.post("/api/chat", json={"message": f"Question {n}", "user_id": "user123"})
        await http.post("/api/chat", json={"message": "Not mine", "user_id": "somebody"})
        listed = (await http.get("/api/conversations", params={"user_id": "user123"})).json()
        assert (listed["total"], listed["limit"], listed["offset"]) == (3, 10, 0)
        first = listed["conversations"][0]
        assert {"id", "title", "created_at", "updated_at", "message_count"} <= set(first)
        assert first["title"] == "Question 2"
        assert first["message_count"] == 2
        assert MOMENT.match(first["created_at"]) and MOMENT.match(first["updated_at"])
        page = (await http.get("/api/conversations?user_id=user123&limit=1&offset=1")).json()
        assert [one["title"] for one in page["conversations"]] == ["Question 1"]
        assert (page["total"], page["limit"], page["offset"]) == (3, 1, 1)
        oldest = (await http.get("/api/conversations?user_id=user123&order=asc")).json()
        assert [one["title"] for one in oldest["conversations"]][0] == "Question 0"
        everything = (await http.get("/api/conversations")).json()
        assert everything["total"] == 4


async def test_x_session_id_stands_for_a_user() -> None:
    async with serving() as served, served.rest() as http:
        mine = {"X-Session-ID": "device-1"}
        await http.post("/api/chat", json={"message": "Mine"}, headers=mine)
        await http.post("/api/chat", json={"message": "Another's"}, headers={"X-Session-ID": "device-2"})
        listed = (await http.get("/api/conversations", headers=mine)).json()
        assert [one["title"] for one in listed["conversations"]] == ["Mine"]
        named = (await http.get("/api/conversations?user_id=device-2", headers=mine)).json()
        assert [one["title"] for one in named["conversations"]] == ["Another's"]
        refused = await http.get("/api/conversations", headers={"X-Session-ID": "x" * 201})
        assert refused.status_code == 400


@both_spellings
async def test_a_conversation_from_beginning_to_end(base: str) -> None:
    listing = re.sub(r"conversations?$", "conversations", base)
    async with serving() as served, served.rest() as http:
        begun: Json = {
            "title": "Help with programming",
            "description": "About Python",
            "model": "script-1",
            "system_prompt": "Be brief.",
            "metadata": {"project": "x", "tags": ["a"]},
        }
        made = (await http.post(listing, json=begun)).json()
        assert made["id"].startswith("conv_")
        assert begun.items() <= made.items()
        assert (made["status"], made["message_count"]) == ("active", 0)
        one = f"{base}/{made['id']}"

        added = (await http.post(f"{one}/messages", json={"role": "user", "content": "Hello"})).json()
        assert added["id"].startswith("msg_")
        assert (added["conversation_id"], added["role"], added["content"]) == (made["id"], "user", "Hello")
        whole = (await http.get(one)).json()["conversation"]
        assert (whole["id"], whole["title"]) == (made["id"], "Help with programming")
        assert [(m["role"], m["content"]) for m in whole["messages"]] == [("user", "Hello")]

        changed = (await http.patch(one, json={"title": "New", "description": None})).json()
        assert (changed["title"], changed["description"], changed["model"]) == ("New", None, "script-1")

        listed = (await http.get(f"{one}/messages")).json()
        assert (listed["conversation_id"], listed["title"]) == (made["id"], "New")
        assert (listed["total"], listed["limit"], listed["offset"]) == (1, 50, 0)
        assert {"id", "role", "content", "created_at"} <= set(listed["messages"][0])
        assert MOMENT.match(listed["messages"][0]["created_at"])

        kept = {"Content-Type": "application/json"}
        assert (await http.post(f"{one}/archive", headers=kept)).json()["status"] == "archived"
        assert (await http.get(listing)).json()["total"] == 0
        archived = (await http.get(listing, params={"status": "archived"})).json()
        assert [found["id"] for found in archived["conversations"]] == [made["id"]]
        assert (await http.get(listing, params={"status": "all"})).json()["total"] == 1
        assert (await http.post(f"{one}/restore", headers=kept)).json()["status"] == "active"

        gone = (await http.delete(one)).json()
        assert gone == {"status": "success", "message": "Conversation deleted successfully"}
        for again in (http.get(one), http.delete(one), http.get(f"{one}/messages")):
            answer = await again
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_conversation")


async def test_it_is_exported_in_three_forms() -> None:
    async with serving() as served, served.rest() as http:
        reply = (await http.post("/api/chat", json={"message": "What is 2 + 2?"})).json()
        one = f"/api/conversations/{reply['conversation_id']}/export"
        exported = (await http.get(one)).json()
        assert exported["conversation"]["id"] == reply["conversation_id"]
        assert [m["content"] for m in exported["messages"]] == ["What is 2 + 2?", reply["message"]]
        markdown = await http.get(one, params={"format": "markdown"})
        assert markdown.headers["content-type"].startswith("text/markdown")
        assert markdown.text.startswith("# What is 2 + 2?\n")
        assert "**Assistant**" in markdown.text and reply["message"] in markdown.text
        text = await http.get(one, params={"format": "text"})
        assert text.headers["content-type"].startswith("text/plain")
        assert "user: What is 2 + 2?" in text.text and f"assistant: {reply['message']}" in text.text
        refused = await http.get(one, params={"format": "pdf"})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


async def test_a_long_conversation_is_exported_whole() -> None:
    async with serving() as served, served.rest() as http:
        made = (await http.post("/api/conversations", json={})).json()
        one = f"/api/conversations/{made['id']}"
        numbers = [str(n) for n in range(510)]  # more than are read at once
        for number in numbers:
            await http.post(f"{one}/messages", json={"role": "user", "content": number})
        exported = (await http.get(f"/api/conversations/{made['id']}/export")).json()
    assert [m["content"] for m in exported["messages"]] == numbers


async def test_its_own_prompt_and_model_hold_when_it_is_spoken_in() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        made = (await http.post("/api/conversations", json={"system_prompt": "Be a pirate."})).json()
        async with VoiceClient.connect(served.url, conversation_id=made["id"]) as voice:
            await voice.send_text("Hello", audio=False)
            await voice.turn()
            assert llm.requests[-1].messages[0].content == "Be a pirate."
            await http.patch(f"/api/conversations/{made['id']}", json={"system_prompt": "Be a monk."})
            await voice.send_text("Hello", audio=False)
            await voice.turn()
            assert llm.requests[-1].messages[0].content == "Be a monk."


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/conversations", {"title": "x" * 10_001}),
        ("POST", "/api/conversations", {"title": "nul \x00"}),
        ("POST", "/api/conversations", {"metadata": {"nul": ["\x00"]}}),
        ("POST", "/api/conversations", {"metadata": {"deep": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}}),
        ("POST", "/api/conversations", {"metadata": {"large": "x" * 20_000}}),
        ("POST", "/api/conversations", {"metadata": ["not an object"]}),
        ("POST", "/api/conversations", []),
        ("GET", "/api/conversations?limit=0", None),
        ("GET", "/api/conversations?limit=201", None),
        ("GET", "/api/conversations?offset=-1", None),
        ("GET", "/api/conversations?offset=99999999999999999999999", None),
        ("GET", "/api/conversations?status=lost", None),
        ("GET", "/api/conversations?order=up", None),
        ("GET", "/api/conversations?user_id=%00", None),
        ("GET", "/api/conversations/%00", None),
        ("GET", f"/api/conversations/{'x' * 65}", None),
    ],
)
async def test_what_makes_no_sense_is_400(method: str, path: str, body: Any) -> None:
    async with serving() as served, served.rest() as http:
        answer = await http.request(method, path, **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_another_key_sees_nothing_of_it() -> None:
    mine, others = {"X-API-Key": KEY}, {"X-API-Key": OTHER_KEY}
    async with serving(api_keys=[KEY, OTHER_KEY]) as served, served.rest() as http:
        reply = (
            await http.post("/api/chat", json={"message": "Secret", "user_id": "u"}, headers=mine)
        ).json()
        one = f"/api/conversations/{reply['conversation_id']}"
        feedback = {**reply, "feedback_type": "thumbs_up"}
        message = {"role": "user", "content": "Hi"}
        chat = {"message": "Hi", "conversation_id": reply["conversation_id"]}
        attempts: list[tuple[str, str, Json | None]] = [
            ("GET", one, None),
            ("PATCH", one, {"title": "Mine now"}),
            ("DELETE", one, None),
            ("POST", f"{one}/archive", None),
            ("POST", f"{one}/restore", None),
            ("GET", f"{one}/messages", None),
            ("POST", f"{one}/messages", message),
            ("POST", f"{one}/template", {"template_name": "expert_assistant"}),
            ("GET", f"{one}/export", None),
            ("POST", "/api/feedback", feedback),
            ("GET", f"/api/feedback/analyze/{reply['conversation_id']}", None),
            ("POST", "/api/chat", chat),
            ("POST", "/api/chat/completions", chat | {"messages": [message]}),
        ]
        for method, path, body in attempts:
            answer = await http.request(method, path, json=body, headers=others)
            assert answer.status_code == 404, (method, path, answer.text)
        listed = await http.get("/api/conversations?user_id=u&status=all", headers=others)
        assert listed.json()["total"] == 0
        whole = (await http.get(one, headers=mine)).json()["conversation"]
        assert (whole["title"], whole["status"], whole["message_count"]) == ("Secret", "active", 2)
