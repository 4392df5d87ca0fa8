"""Two keys, every endpoint: what belongs to one is not seen, changed or deleted with the other.

The endpoints come from the OpenAPI document: a new one that asks nobody for a key, takes an id of a kind that
is not known here, or has a body without an example here, fails these tests.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.wire.rig import clip, raw, serving
from tests.wire.test_stored_keys import ADMIN, bearer, made
from voice_server.fakes.spoken import speak

SECRET = "xyzzy-plugh"
FREE = {
    ("GET", "/api/health"),
    ("GET", "/api/websocket/config"),
    ("GET", "/api/speech/providers"),
    ("GET", "/api/models"),
    ("POST", "/api/login"),
    ("POST", "/api/logout"),
    ("POST", "/api/voice/stream/{session_id}/end"),  # changes nothing
}
"""Who may use these is nobody's secret."""
HARMLESS_IDS = {"kind": "stt"}
"""What stands in a path without naming anybody's object."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path; `media_type` of its body, if it has one."""

    method: str
    path: str
    names: tuple[str, ...]
    media_type: str | None

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        if path.startswith("/api/v1/"):
            continue  # the same functions as under /api
        for method, told in methods.items():
            names = tuple(one["name"] for one in told.get("parameters", ()) if one["in"] == "path")
            media_types = list(told.get("requestBody", {}).get("content", {}))
            yield Operation(method.upper(), path, names, media_types[0] if media_types else None)


def bodies(conversation_id: str, message_id: str) -> dict[tuple[str, str], dict[str, Any]]:
    """For every endpoint with a body, one that reaches for the things of another where it can."""
    prompt = {
        "messages": [{"role": "user", "content": "Hello"}],
        "conversation_id": conversation_id,
        "user_id": "anna",
    }
    audio = base64.b64encode(clip(speak("hello"))).decode()
    template = {"template_name": "secret_template", "variables": {}}
    added = {"role": "user", "content": "I was here."}
    search = {"query": SECRET, "user_id": "anna"}
    found: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", "/api/chat"): {"message": "Hello", "conversation_id": conversation_id},
        ("POST", "/api/conversations"): {"title": "mine", "user_id": "anna"},
        ("POST", "/api/templates"): {"name": "mine", "system_prompt": "Be kind."},
        ("PUT", "/api/templates/{template_name}"): {"system_prompt": "Be unkind."},
        ("POST", "/api/feedback"): {
            "conversation_id": conversation_id,
            "message_id": message_id,
            "feedback_type": "thumbs_down",
        },
        ("POST", "/api/search/conversations"): search,
        ("POST", "/api/search/messages"): {**search, "conversation_id": conversation_id},
        ("POST", "/api/voice/stt"): {"audio": audio},
        ("POST", "/api/voice/tts"): {"text": "hello"},
        ("POST", "/api/voice/stream"): {"conversation_id": conversation_id},
        ("POST", "/api/tokens"): {"user_id": "anna"},
        ("POST", "/api/keys"): {"name": "mine", "owner": "settings:operator"},
    }
    for path in ("/api/chat/completion", "/api/chat/completions", "/v1/chat/completions/stream"):
        found["POST", path] = prompt
    for family in ("/api/conversation/{conversation_id}", "/api/conversations/{conversation_id}"):
        found["PATCH", family] = {"title": "mine now"}
        found["POST", f"{family}/messages"] = added
        found["POST", f"{family}/template"] = template
        found["POST", f"{family}/search"] = search
    return found


async def document_of(http: httpx.AsyncClient) -> list[Operation]:
    return list(operations((await http.get("/openapi.json")).json()))


async def test_every_endpoint_asks_for_a_key() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        found = await document_of(http)
        assert len(found) > 40
        for one in found:
            url = one.path.format_map(dict.fromkeys(one.names, "some"))
            known = bodies("conv_some", "msg_some").get(one.key)
            answer = await http.request(one.method, url, json=known)
            if one.key not in FREE and one.path != "/api/transcribe":
                assert answer.status_code == 401, one
            wrong = await http.request(one.method, url, json=known, headers=bearer("sk-wrong"))
            if one.key not in FREE and one.path != "/api/transcribe":
                assert wrong.status_code == 401, one
        for headers in ({}, bearer("sk-wrong")):
            files = {"audio": ("a.wav", clip(speak("hello")))}
            answer = await http.post("/api/transcribe", files=files, headers=headers)
            assert answer.status_code == 401


async def test_nothing_of_one_key_leaks_to_another() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        ann = await made(http, name="ann", tier="enterprise")
        eve = await made(http, name="eve", tier="enterprise")
        hers, his = bearer(ann["key"]), bearer(eve["key"])
        template = {"name": "secret_template", "system_prompt": f"Say {SECRET}."}
        assert (await http.post("/api/templates", json=template, headers=hers)).status_code == 200
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=ann["key"], user_id="anna")
            ack = await caller.until("init_ack")
            await caller.say(type="message", message=f"The word is {SECRET}.", modalities=["text"])
            reply = await caller.until("ai_response")
            await caller.until("metrics")
            conversation_id, message_id = ack["conversation_id"], reply["message_id"]
            ids = {
                "conversation_id": conversation_id,
                "session_id": ack["session_id"],
                "template_name": "secret_template",
                "key_id": ann["id"],
            }
            secrets = [SECRET, *ids.values(), message_id]
            before = await everything(http, hers, conversation_id)
            assert before.count(SECRET) >= 5  # what can be seen is there to be seen

            reached = bodies(conversation_id, message_id)
            for one in await document_of(http):
                assert set(one.names) <= ids.keys() | HARMLESS_IDS.keys(), f"whose is the id of {one}?"
                if one.key in FREE:
                    continue
                url = one.path.format_map({**HARMLESS_IDS, **ids})
                if one.media_type == "multipart/form-data":
                    files = {"audio": ("a.wav", clip(speak("hello")))}
                    answer = await http.request(one.method, url, files=files, headers=his)
                else:
                    assert one.media_type is None or one.key in reached, f"no example for {one}"
                    query = {"user_id": "anna"} if one.method == "GET" else {}
                    answer = await http.request(
                        one.method, url, params=query, json=reached.get(one.key), headers=his
                    )
                names_an_object = set(one.names) & ids.keys()
                if names_an_object:
                    assert answer.status_code in (403, 404), (one, answer.text)
                assert answer.status_code < 500, (one, answer.text)
                if answer.status_code < 300:
                    assert not [word for word in secrets if word in answer.text], (one, answer.text)

            assert await everything(http, hers, conversation_id) == before
            await caller.answers()  # her session lives
            resume = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": 0}
            async with raw(served.url) as other:
                await other.say(
                    type="init", api_key=eve["key"], resume=resume, conversation_id=conversation_id
                )
                given = await other.until("init_ack")
                assert given["resumed"] is False
                assert given["conversation_id"] != conversation_id


async def everything(http: httpx.AsyncClient, key: dict[str, str], conversation_id: str) -> str:
    """All that its owner sees of her things."""
    told = []
    for path in (
        "conversations",
        f"conversations/{conversation_id}",
        f"conversation/{conversation_id}/messages",
        f"feedback/analyze/{conversation_id}",
        "templates",
        "templates/secret_template",
        "sessions",
        "me",
    ):
        answer = await http.get(f"/api/{path}", headers=key)
        assert answer.status_code == 200, path
        told.append(answer.text)
    return "\n".join(told)
