"""Search over REST: with the real embeddings, and what every answer looks like."""

import re
from typing import Any

import httpx
import pytest

from tests.fakes.scripted import ScriptedEmbeddings
from tests.store.test_search import write
from tests.wire.rig import KEY, Served, serving
from voice_server.client import VoiceClient
from voice_server.providers.local.minilm import MiniLmEmbeddings
from voice_server.providers.local.weights import WeightStore

OTHER_KEY = "sk-test-another-key-of-somebody-else-0000"
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


async def say(served: Served, words: str, **options: Any) -> str:
    """A typed turn in a conversation of its own; gives the conversation's id."""
    async with VoiceClient.connect(served.url, **options) as client:
        await client.send_text(words, audio=False)
        await client.turn()
        return client.conversation_id


async def found(http: httpx.AsyncClient, path: str, query: str, **more: Any) -> list[dict[str, Any]]:
    answer = await http.post(path, json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_what_was_said_is_found_by_what_it_means() -> None:
    embeddings = MiniLmEmbeddings(WeightStore())
    async with serving(embeddings=embeddings) as served, served.rest() as http:
        cooking = await say(served, "How long do I boil spaghetti?")
        await say(served, "When does the last train to Boston leave?")
        (best, *others) = await found(http, "/api/search/conversations", "preparing noodles")
        assert best["conversation_id"] == cooking
        assert set(best) == {
            "conversation_id",
            "title",
            "created_at",
            "updated_at",
            "similarity_score",
            "snippet",
        }
        assert "spaghetti" in best["snippet"] and best["title"]
        assert TIME.match(best["created_at"]) and TIME.match(best["updated_at"])
        assert 0.3 < best["similarity_score"] <= 1
        assert all(one["similarity_score"] < best["similarity_score"] for one in others)

        messages = await found(http, "/api/search/messages", "preparing noodles")
        assert len(messages) == 4
        assert {"message_id", "conversation_id", "role", "content", "created_at", "similarity_score"} <= set(
            messages[0]
        )
        assert "spaghetti" in messages[0]["content"] and messages[0]["message_id"].startswith("msg_")
        scores = [one["similarity_score"] for one in messages]
        assert scores == sorted(scores, reverse=True)
        within = await found(http, "/api/search/messages", "noodles", conversation_id=cooking)
        assert {one["conversation_id"] for one in within} == {cooking}


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
async def test_one_conversation_is_searched_under_each_of_its_paths(prefix: str) -> None:
    async with serving(embeddings=ScriptedEmbeddings()) as served, served.rest() as http:
        conversation = await say(served, "green tea")
        await say(served, "green tea")
        for kind in ("conversations", "conversation"):
            results = await found(http, f"{prefix}/{kind}/{conversation}/search", "green tea", limit=1)
            assert [one["conversation_id"] for one in results] == [conversation]
            assert (results[0]["role"], results[0]["content"]) == ("user", "green tea")
        missing = await http.post(f"{prefix}/conversations/conv_none/search", json={"query": "tea"})
        assert (missing.status_code, missing.json()["code"]) == (404, "unknown_conversation")


async def test_without_embeddings_words_are_found() -> None:
    async with serving() as served, served.rest() as http:
        await say(served, "My number is 84213.")
        await say(served, "Hello there.")
        results = await found(http, "/api/search/messages", "84213")
    assert {one["content"] for one in results} == {"My number is 84213.", "You said: My number is 84213."}
    assert {one["similarity_score"] for one in results} == {0.0}


async def test_nobody_finds_what_is_another_keys() -> None:
    async with (
        serving(api_keys=[KEY, OTHER_KEY], embeddings=ScriptedEmbeddings()) as served,
        served.rest() as http,
    ):
        secret = await say(served, "the secret is 84213", api_key=KEY)
        for path in ("/api/search/messages", "/api/search/conversations"):
            assert (await http.post(path, json={"query": "84213"})).status_code == 401
            theirs = await http.post(path, json={"query": "84213"}, headers={"X-API-Key": OTHER_KEY})
            assert theirs.json()["results"] == []
            ours = await http.post(path, json={"query": "84213"}, headers={"Authorization": f"Bearer {KEY}"})
            assert ours.json()["results"]
        for path, body in (
            (f"/api/conversations/{secret}/search", {"query": "84213"}),
            ("/api/search/messages", {"query": "84213", "conversation_id": secret}),
        ):
            assert (await http.post(path, json=body, headers={"X-API-Key": OTHER_KEY})).status_code == 404


async def test_a_user_finds_their_own() -> None:
    async with serving(embeddings=ScriptedEmbeddings()) as served, served.rest() as http:
        database = served.server.platform.database
        await write(database, ["tea of Ann"], owner="local", user_id="ann", id="conv_ann")
        await write(database, ["tea of Bob"], owner="local", user_id="bob", id="conv_bob")
        for who, contents in (("ann", {"tea of Ann"}), ("bob", {"tea of Bob"}), ("cid", set())):
            named = await found(http, "/api/search/messages", "tea", user_id=who)
            assert {one["content"] for one in named} == contents
            by_header = await http.post(
                "/api/search/messages", json={"query": "tea"}, headers={"X-Session-ID": who}
            )
            assert {one["content"] for one in by_header.json()["results"]} == contents
        everybody = await found(http, "/api/search/conversations", "tea")
        assert {one["conversation_id"] for one in everybody} == {"conv_ann", "conv_bob"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "   "},
        {"query": "a\x00b"},
        {"query": "x" * 2001},
        {"query": 7},
        {"query": "tea", "limit": 0},
        {"query": "tea", "limit": 201},
        {"query": "tea", "offset": -1},
        {"query": "tea", "offset": 10**20},
        {"query": "tea", "user_id": "x" * 201},
    ],
)
async def test_what_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    async with serving() as served, served.rest() as http:
        for path in ("/api/search/messages", "/api/search/conversations"):
            answer = await http.post(path, json=body)
            assert answer.status_code == 400, answer.text
            assert set(answer.json()) == {"error", "code", "request_id"}
