"""Typed turns over the REST port, with the bodies that the clients' own pages show."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, AuthenticationError, DefaultAsyncHttpxClient

from tests.fakes.scripted import HANG, ScriptedLlm, spread
from tests.wire.rig import KEY, Json, eventually, serving
from voice_server.client import VoiceClient
from voice_server.errors import ProviderUnavailable
from voice_server.providers.base import LlmCapabilities

SEED = {
    "message": "Hello, how can you help me?",
    "model": "gpt-4o",
    "user_id": "user123",
    "conversation_id": None,
    "system_prompt": "You are a helpful assistant.",
}
ZEEBEE = {  # what `zeebee-ai-client` sends
    "messages": [{"role": "user", "content": "Hello"}],
    "model": "gpt-4o",
    "stream": False,
    "conversation_id": None,
    "temperature": 0.7,
    "max_tokens": None,
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
}
COMPLETIONS = (
    "/api/chat/completions",
    "/api/chat/completion",
    "/api/v1/chat/completion",
    "/api/v1/chat/completions",
)


def events(body: str) -> list[Json]:
    """The events of a stream, which ends as it must; each line is of the one form that all clients read."""
    lines = [line for line in body.split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def prompt(llm: ScriptedLlm) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in llm.requests[-1].messages]


async def messages_of(http: httpx.AsyncClient, conversation_id: str) -> list[Json]:
    listed = (await http.get(f"/api/conversation/{conversation_id}/messages")).json()
    return list(listed["messages"])


@pytest.mark.parametrize("path", ["/api/chat", "/api/v1/chat"])
async def test_the_seeds_message_is_answered(path: str) -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        answer = await http.post(path, json=SEED)
        assert answer.status_code == 200
        reply = answer.json()
        assert reply["message"] == reply["response"] == "You said: Hello, how can you help me?"
        assert reply["conversation_id"].startswith("conv_")
        assert reply["message_id"].startswith("msg_")
        assert (reply["model"], reply["provider"]) == ("script-1", "scripted")
        assert prompt(llm) == [("system", "You are a helpful assistant."), ("user", SEED["message"])]
        said = await messages_of(http, reply["conversation_id"])
        assert [(one["role"], one["content"]) for one in said] == [
            ("user", SEED["message"]),
            ("assistant", reply["message"]),
        ]
        assert said[1]["id"] == reply["message_id"]
        assert said[1]["providers"] == {"llm": "scripted/script-1"}
        assert said[1]["timings"]["response_ms"] >= said[1]["timings"]["llm_first_token_ms"] >= 0


async def test_a_conversation_goes_on_and_keeps_its_prompt() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        first = (await http.post("/api/chat", json=SEED)).json()
        body = {"message": "And then?", "conversation_id": first["conversation_id"]}
        second = (await http.post("/api/chat", json=body)).json()
        assert second["conversation_id"] == first["conversation_id"]
        assert prompt(llm) == [
            ("system", "You are a helpful assistant."),
            ("user", SEED["message"]),
            ("assistant", first["message"]),
            ("user", "And then?"),
        ]
        await http.post("/api/chat", json=body | {"system_prompt": "Be brief."})
        assert prompt(llm)[0] == ("system", "Be brief.")
        await http.post("/api/chat", json=body)
        assert prompt(llm)[0] == ("system", "You are a helpful assistant.")


async def test_a_text_turn_and_a_spoken_one_are_in_one_conversation() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        first = (await http.post("/api/chat", json={"message": "My name is Ada."})).json()
        async with VoiceClient.connect(served.url, conversation_id=first["conversation_id"]) as voice:
            assert voice.conversation_id == first["conversation_id"]
            await voice.send_text("What is my name?", audio=False)
            await voice.turn()
        assert [content for _, content in prompt(llm)[1:]] == [
            "My name is Ada.",
            "You said: My name is Ada.",
            "What is my name?",
        ]
        await http.post("/api/chat", json={"message": "Bye", "conversation_id": first["conversation_id"]})
        said = await messages_of(http, first["conversation_id"])
    assert [one["content"] for one in said] == [
        "My name is Ada.",
        "You said: My name is Ada.",
        "What is my name?",
        "You said: What is my name?",
        "Bye",
        "You said: Bye",
    ]


@pytest.mark.parametrize("path", COMPLETIONS)
async def test_a_completion_reads_as_everybody_expects(path: str) -> None:
    async with serving() as served, served.rest() as http:
        answer = (await http.post(path, json=ZEEBEE)).json()
    text = "You said: Hello"
    assert answer["message"] == answer["response"] == text
    assert answer["id"] == answer["message_id"]
    assert answer["message_id"].startswith("msg_")
    assert answer["conversation_id"].startswith("conv_")
    assert answer["object"] == "chat.completion"
    assert isinstance(answer["created"], int)
    assert (answer["model"], answer["provider"]) == ("script-1", "scripted")
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    assert answer["choices"] == [choice]


@pytest.mark.parametrize("path", COMPLETIONS)
async def test_a_stream_reads_as_everybody_expects(path: str) -> None:
    llm = ScriptedLlm([["One ", "two ", "three."]])
    async with serving(llm=llm) as served, served.rest() as http:
        answer = await http.post(path, json=ZEEBEE | {"stream": True, "layout": "card-list"})
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = events(answer.text)
        assert "".join(one["chunk"] for one in told) == "One two three."
        assert "".join(one["text"] for one in told) == "One two three."
        assert "".join(one["choices"][0]["delta"].get("content", "") for one in told) == "One two three."
        assert {one["object"] for one in told} == {"chat.completion.chunk"}
        (conversation_id,) = {one["conversation_id"] for one in told}
        (message_id,) = {one["message_id"] for one in told}
        assert [one["is_final"] for one in told] == [False, False, False, True]
        assert told[-1]["choices"][0]["finish_reason"] == "stop"
        assert told[-1]["layout_data"]["type"] == "card-list"
        assert told[-1]["layout_data"]["components"][0]["options"]["content"] == "One two three."
        said = await messages_of(http, conversation_id)
    assert [(one["id"], one["content"]) for one in said][1] == (message_id, "One two three.")


async def test_the_page_on_streaming_has_a_shape_of_its_own() -> None:
    async with serving(llm=ScriptedLlm([["One ", "two."]])) as served, served.rest() as http:
        answer = await http.post("/v1/chat/completions/stream", json=ZEEBEE)
    told = events(answer.text)
    assert {one["type"] for one in told} == {"chunk"}
    assert "".join(one["data"]["content"] for one in told) == "One two."
    assert [one["data"]["is_complete"] for one in told] == [False, False, True]
    assert {one["data"]["model"] for one in told} == {"script-1"}
    assert "usage" in told[-1]["data"]
    assert all(one["id"] for one in told)


async def test_the_openai_sdk_talks_with_it() -> None:
    async with serving(api_keys=[KEY]) as served:
        transport = DefaultAsyncHttpxClient(trust_env=False)
        base_url = f"{served.rest_url}/api/v1"
        async with AsyncOpenAI(api_key=KEY, base_url=base_url, http_client=transport) as client:
            whole = await client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hello"}]
            )
            assert whole.choices[0].message.content == "You said: Hello"
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
            assert "".join(pieces) == "You said: Hello"
            with pytest.raises(AuthenticationError):
                await client.with_options(api_key="sk-wrong").chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "Hello"}]
                )


async def test_a_whole_history_may_be_sent_along() -> None:
    llm = ScriptedLlm()
    sent = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": [{"type": "text", "text": "T"}, {"type": "text", "text": "wo"}]},
    ]
    async with serving(llm=llm) as served, served.rest() as http:
        first = (await http.post("/api/chat/completions", json={"messages": sent})).json()
        assert prompt(llm) == [("system", "Be brief."), ("user", "One"), ("assistant", "1"), ("user", "Two")]
        kept = await messages_of(http, first["conversation_id"])
        assert [one["content"] for one in kept] == ["One", "1", "Two", "You said: Two"]
        # With the id, what is kept here counts, and of what is sent only what is new.
        sent += [{"role": "assistant", "content": "edited"}, {"role": "user", "content": "Three"}]
        body = {"messages": sent, "conversation_id": first["conversation_id"]}
        await http.post("/api/chat/completions", json=body)
        assert [content for _, content in prompt(llm)[1:]] == ["One", "1", "Two", "You said: Two", "Three"]


async def test_wishes_reach_the_model_and_stops_are_cut_here() -> None:
    llm = ScriptedLlm([["One, t", "wo, thr", "ee, four"]])
    async with serving(llm=llm) as served, served.rest() as http:
        body = ZEEBEE | {"temperature": 0.1, "max_tokens": 7, "stop": ["three"], "metadata": {"a": [1]}}
        answer = (await http.post("/api/chat/completions", json=body)).json()
        assert answer["message"] == "One, two, "
        said = await messages_of(http, answer["conversation_id"])
    assert (llm.requests[0].temperature, llm.requests[0].max_tokens) == (0.1, 7)
    assert said[1]["content"] == "One, two, "
    assert said[0]["metadata"] == {"a": [1]}
    assert llm.calls_open == 0


async def test_a_long_history_is_shown_in_part() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm, chat={"history_chars": 100}) as served, served.rest() as http:
        answer = (await http.post("/api/chat", json={"message": "a" * 60})).json()
        body = {"message": "b" * 20, "conversation_id": answer["conversation_id"]}
        await http.post("/api/chat", json=body)
    assert [content for _, content in prompt(llm)[1:]] == ["b" * 20]


async def test_the_conversations_model_answers_unless_another_is_known() -> None:
    async with serving() as served, served.rest() as http:
        made = (await http.post("/api/conversations", json={"model": "script-1"})).json()
        body = {"message": "Hello", "conversation_id": made["id"], "model": "gpt-4o"}
        assert (await http.post("/api/chat", json=body)).json()["model"] == "script-1"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/chat", {"message": ""}, 400, "invalid_request"),
        ("/api/chat", {"message": " \n"}, 400, "invalid_request"),
        ("/api/chat", {}, 400, "invalid_request"),
        ("/api/chat", {"message": "Hi", "conversation_id": "conv_unknown"}, 404, "unknown_conversation"),
        ("/api/chat", {"message": "Hi", "template": {"name": "none"}}, 404, "unknown_template"),
        ("/api/chat", {"message": "x" * 32_001}, 400, "message_too_long"),
        ("/api/chat", {"message": "a\x00b"}, 400, "invalid_request"),
        ("/api/chat", {"message": "Hi", "temperature": 3}, 400, "invalid_request"),
        ("/api/chat/completions", {"messages": []}, 400, "invalid_request"),
        ("/api/chat/completions", {"messages": [{"role": "system", "content": "x"}]}, 400, "invalid_request"),
        (
            "/api/chat/completions",
            {"messages": [{"role": "assistant", "content": "x"}]},
            400,
            "invalid_request",
        ),
        ("/api/chat/completions", ZEEBEE | {"conversation_id": "conv_unknown"}, 404, "unknown_conversation"),
        ("/api/chat/completions", ZEEBEE | {"n": 2}, 400, "invalid_request"),
        ("/api/chat/completions", ZEEBEE | {"metadata": {"a": "\ud800"}}, 400, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_reason(
    path: str, body: Any, status: int, code: str
) -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        sent = json.dumps(body).encode()
        answer = await http.post(path, content=sent, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["error"]
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
        assert (await http.get("/api/conversations")).json()["total"] == 0
    assert llm.requests == []


async def test_a_strict_server_knows_only_its_models() -> None:
    async with serving(strict=True) as served, served.rest() as http:
        refused = await http.post("/api/chat", json=SEED)
        assert (refused.status_code, refused.json()["code"]) == (400, "not_configured")
        assert "script-1" in refused.json()["error"]
        assert (await http.post("/api/chat", json=SEED | {"model": "script-1"})).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_fails_leaves_nothing_behind(stream: bool) -> None:
    llm = ScriptedLlm(usual=lambda request: [ProviderUnavailable("Over capacity.", stage="llm")])
    async with serving(llm=llm) as served, served.rest() as http:
        answer = await http.post("/api/chat/completions", json=ZEEBEE | {"stream": stream})
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
        assert (await http.get("/api/conversations")).json()["total"] == 0


async def test_a_model_that_fails_midway_is_told_in_the_stream_and_its_words_are_kept() -> None:
    llm = ScriptedLlm([["One ", ProviderUnavailable("Gone.", stage="llm")]])
    async with serving(llm=llm) as served, served.rest() as http:
        answer = await http.post("/api/chat/completions", json=ZEEBEE | {"stream": True})
        first, last = events(answer.text)
        assert first["chunk"] == "One "
        assert (last["error"], last["code"]) == ("Gone.", "provider_unavailable")
        assert last["request_id"] == answer.headers["X-Request-ID"]
        said = await messages_of(http, first["conversation_id"])
    assert [(one["content"], one["is_complete"]) for one in said] == [("Hello", None), ("One ", False)]


async def test_a_model_that_says_nothing_is_an_error() -> None:
    async with serving(llm=ScriptedLlm(usual=lambda request: [])) as served, served.rest() as http:
        answer = await http.post("/api/chat", json=SEED)
    assert (answer.status_code, answer.json()["code"]) == (503, "empty_reply")


async def test_a_silent_model_is_given_up() -> None:
    llm = ScriptedLlm([[HANG]])
    async with serving(llm=llm, deadlines={"llm_first_token_s": 0.05}) as served, served.rest() as http:
        answer = await http.post("/api/chat", json=SEED)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_timeout")
    assert llm.calls_open == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_who_goes_away_stops_the_model(stream: bool) -> None:
    llm = ScriptedLlm([["One ", HANG]])
    async with serving(llm=llm) as served, served.rest() as http:
        if stream:
            body = ZEEBEE | {"stream": True}
            async with http.stream("POST", "/api/chat/completions", json=body) as answer:
                async for line in answer.aiter_lines():
                    assert json.loads(line.removeprefix("data: "))["chunk"] == "One "
                    break
        else:
            asking = asyncio.create_task(http.post("/api/chat/completions", json=ZEEBEE))
            await eventually(lambda: llm.calls_open == 1)
            asking.cancel()
        await eventually(lambda: llm.calls_open == 0)

        async def kept() -> list[Json]:
            found = (await http.get("/api/conversations")).json()["conversations"]
            return await messages_of(http, found[0]["id"]) if found else []

        async with asyncio.timeout(20):
            while len(said := await kept()) < 2:
                await asyncio.sleep(0.01)
    assert [(one["content"], one["is_complete"]) for one in said] == [("Hello", None), ("One ", False)]


async def test_a_stopping_server_lets_a_reply_finish() -> None:
    llm = ScriptedLlm([spread("One two three four", 0.05)])
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        async with serving(llm=llm) as served:
            asking = asyncio.create_task(http.post(f"{served.rest_url}/api/chat", json=SEED))
            await eventually(lambda: llm.calls_open == 1)
        assert (await asking).json()["message"] == "One two three four"


async def test_a_stopping_server_does_not_wait_for_ever() -> None:
    llm = ScriptedLlm([["One ", HANG]])
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        async with serving(llm=llm, limits={"drain_s": 0.2}) as served:
            asking = asyncio.create_task(http.post(f"{served.rest_url}/api/chat", json=SEED))
            await eventually(lambda: llm.calls_open == 1)
        answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


async def test_a_message_longer_than_the_model_reads_is_refused() -> None:
    llm = ScriptedLlm(capabilities=LlmCapabilities(context_tokens=1_000))
    async with serving(llm=llm) as served, served.rest() as http:
        answer = await http.post("/api/chat", json={"message": "word " * 2_000})
    assert (answer.status_code, answer.json()["code"]) == (400, "message_too_long")


@pytest.mark.parametrize("path", ["/api/chat", *COMPLETIONS, "/v1/chat/completions/stream"])
async def test_a_key_is_demanded_where_there_are_keys(path: str) -> None:
    body = ZEEBEE | SEED
    async with serving(api_keys=[KEY]) as served, served.rest() as http:
        for headers in ({}, {"Authorization": "Bearer sk-wrong"}, {"X-API-Key": "sk-wrong"}):
            refused = await http.post(path, json=body, headers=headers)
            assert refused.status_code == 401
            assert set(refused.json()) == {"error", "code", "request_id"}
        for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
            assert (await http.post(path, json=body, headers=headers)).status_code == 200


def test_a_model_on_this_machine_answers_and_counts(rest: httpx.Client) -> None:
    body = ZEEBEE | {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 12}
    whole = rest.post("/api/v1/chat/completions", json=body, timeout=60).json()
    assert whole["message"].strip()
    assert 0 < whole["usage"]["completion_tokens"] <= 12
    assert whole["provider"] == "local"
    assert whole["model"] == "smollm2"
    more = body | {"stream": True, "conversation_id": whole["conversation_id"]}
    told = events(rest.post("/api/v1/chat/completions", json=more, timeout=60).text)
    assert "".join(one["chunk"] for one in told).strip()
    assert told[-1]["usage"]["completion_tokens"] > 0
