"""Templates over the REST port, in typed turns and in voice sessions that are open."""

from typing import Any

import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.wire.rig import KEY, Json, raw, serving
from voice_server.client import VoiceClient

OTHER_KEY = "sk-test-another-key-of-somebody-else-0000"
SEED = {
    "template_name": "expert_assistant",
    "variables": {"additional_instructions": "Focus on providing technical explanations with code examples."},
}
MINE: Json = {
    "name": "pirate",
    "display_name": "Pirate",
    "description": "Talks like one",
    "system_prompt": "You are {name}, a pirate. {mood}",
    "defaults": {"mood": "Be merry."},
    "tools": ["weather"],
}


def system_prompt(llm: ScriptedLlm) -> str:
    return llm.requests[-1].messages[0].content


async def test_the_built_in_templates_are_the_seeds() -> None:
    async with serving() as served, served.rest() as http:
        listed = (await http.get("/api/templates")).json()["templates"]
        assert [(one["id"], one["name"], one["display_name"], one["description"]) for one in listed] == [
            ("template_1", "standard_assistant", "Standard Assistant", "A general-purpose AI assistant"),
            (
                "template_2",
                "expert_assistant",
                "Expert Assistant",
                "An expert-level AI assistant for specialized topics",
            ),
            (
                "template_3",
                "customer_support_assistant",
                "Customer Support",
                "An assistant specialized in customer support interactions",
            ),
        ]
        for path in ("/api/template", "/api/templates", "/api/v1/template"):
            one = (await http.get(f"{path}/standard_assistant")).json()
            assert listed[0].items() <= one.items()
            assert one["variables"] == ["additional_instructions"]
            assert "additional_instructions" in one["example_usage"]
            assert one["system_prompt"]
        missing = await http.get("/api/template/none")
        assert (missing.status_code, missing.json()["code"]) == (404, "unknown_template")


async def test_one_of_ones_own_from_beginning_to_end() -> None:
    async with serving() as served, served.rest() as http:
        made = (await http.post("/api/templates", json=MINE)).json()
        assert MINE.items() <= made.items()
        assert made["variables"] == ["name", "mood"]
        assert made["id"].startswith("tmpl_")
        assert (await http.get("/api/template/pirate")).json() == made
        names = [one["name"] for one in (await http.get("/api/templates")).json()["templates"]]
        assert names[-1] == "pirate"
        changed = (await http.put("/api/templates/pirate", json={"system_prompt": "You are a monk."})).json()
        assert (changed["id"], changed["variables"], changed["tools"]) == (made["id"], [], None)
        assert changed["display_name"] == "Pirate"
        assert (await http.delete("/api/templates/pirate")).json()["status"] == "success"
        for gone in (http.get("/api/template/pirate"), http.delete("/api/templates/pirate")):
            assert (await gone).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/templates", MINE | {"name": "standard_assistant"}, 400, "builtin_template"),
        ("PUT", "/api/templates/standard_assistant", {"system_prompt": "x"}, 400, "builtin_template"),
        ("DELETE", "/api/templates/standard_assistant", None, 400, "builtin_template"),
        ("POST", "/api/templates", MINE | {"name": "no spaces"}, 400, "invalid_request"),
        ("POST", "/api/templates", MINE | {"system_prompt": ""}, 400, "invalid_request"),
        ("POST", "/api/templates", MINE | {"variables": ["name", "idle"]}, 400, "idle_variable"),
        ("POST", "/api/templates", MINE | {"defaults": {"other": "x"}}, 400, "unknown_variable"),
        ("PUT", "/api/templates/none", {"system_prompt": "x"}, 404, "unknown_template"),
    ],
)
async def test_what_cannot_be_a_template_is_refused(
    method: str, path: str, body: Any, status: int, code: str
) -> None:
    async with serving() as served, served.rest() as http:
        answer = await http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_name_is_taken_once_and_anothers_templates_are_not_seen() -> None:
    mine, others = {"X-API-Key": KEY}, {"X-API-Key": OTHER_KEY}
    async with serving(api_keys=[KEY, OTHER_KEY]) as served, served.rest() as http:
        assert (await http.post("/api/templates", json=MINE, headers=mine)).status_code == 200
        again = await http.post("/api/templates", json=MINE, headers=mine)
        assert (again.status_code, again.json()["code"]) == (400, "template_exists")
        assert (await http.get("/api/template/pirate", headers=others)).status_code == 404
        assert (await http.delete("/api/templates/pirate", headers=others)).status_code == 404
        assert (await http.post("/api/templates", json=MINE, headers=others)).status_code == 200


async def test_a_typed_turn_takes_its_prompt_from_a_template() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        await http.post("/api/templates", json=MINE)
        template = {"name": "pirate", "variables": {"name": "Jack"}}
        for path, body in (
            ("/api/chat", {"message": "Hello", "template": template}),
            (
                "/api/chat/completions",
                {"messages": [{"role": "user", "content": "Hello"}], "template": template},
            ),
        ):
            reply = (await http.post(path, json=body)).json()
            assert system_prompt(llm) == "You are Jack, a pirate. Be merry."
        # It stays with the conversation, and follows when it is changed.
        more = {"message": "More", "conversation_id": reply["conversation_id"]}
        await http.put("/api/templates/pirate", json=MINE | {"system_prompt": "You are {name}. {mood}"})
        await http.post("/api/chat", json=more)
        assert system_prompt(llm) == "You are Jack. Be merry."
        await http.delete("/api/templates/pirate")
        await http.post("/api/chat", json=more)
        assert "helpful assistant" in system_prompt(llm)
        missing = await http.post("/api/chat", json={"message": "Hi", "template": {"name": "pirate"}})
        assert missing.status_code == 404


async def test_the_seeds_template_is_applied_and_holds_from_the_next_turn_on() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http:
        async with VoiceClient.connect(served.url) as voice:
            await voice.send_text("Hello", audio=False)
            await voice.turn()
            assert "friendly voice assistant" in system_prompt(llm)
            path = f"/api/conversation/{voice.conversation_id}/template"
            applied = (await http.post(path, json=SEED)).json()
            assert applied == {
                "status": "success",
                "conversation_id": voice.conversation_id,
                "template": "expert_assistant",
            }
            await voice.send_text("Hello", audio=False)
            await voice.turn()
            assert system_prompt(llm).startswith("You are an expert")
            assert system_prompt(llm).endswith("with code examples.")
            kept = (await http.get(f"/api/conversations/{voice.conversation_id}")).json()["conversation"]
            assert kept["template"] == {"name": "expert_assistant", "variables": SEED["variables"]}
        async with VoiceClient.connect(served.url, conversation_id=voice.conversation_id) as again:
            await again.send_text("Hello", audio=False)
            await again.turn()
            assert system_prompt(llm).startswith("You are an expert")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"template_name": "none"}, 404, "unknown_template"),
        ({"template_name": "pirate"}, 400, "missing_variable"),
        ({"template_name": "expert_assistant", "variables": {"colour": "red"}}, 400, "unknown_variable"),
        ({"template_name": "expert_assistant", "variables": {"field": 7}}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
    ],
)
async def test_a_template_that_cannot_be_applied_changes_nothing(body: Json, status: int, code: str) -> None:
    async with serving() as served, served.rest() as http:
        await http.post("/api/templates", json=MINE)
        made = (await http.post("/api/conversations", json={"system_prompt": "Be brief."})).json()
        answer = await http.post(f"/api/conversation/{made['id']}/template", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        unknown = await http.post("/api/conversation/conv_none/template", json=SEED)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_conversation")
        kept = (await http.get(f"/api/conversations/{made['id']}")).json()["conversation"]
        assert (kept["system_prompt"], kept["template"]) == ("Be brief.", None)


async def test_a_voice_session_chooses_a_template_at_its_beginning_and_later() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served, served.rest() as http, raw(served.url) as one:
        await http.post("/api/templates", json=MINE)
        await one.say(type="init", template={"name": "pirate", "variables": {"name": "Jack"}})
        assert (await one.until("init_ack"))["config"]["notes"] == []
        await one.say(type="message", message="Hello", modalities=["text"])
        await one.until("metrics")
        assert system_prompt(llm) == "You are Jack, a pirate. Be merry."
        await one.say(type="configure", template={"name": "standard_assistant"})
        assert (await one.until("configured"))["config"]["notes"] == []
        await one.say(type="message", message="Hello", modalities=["text"])
        await one.until("metrics")
        assert system_prompt(llm).startswith("You are a helpful assistant.")
        await one.say(type="configure", template={"name": "none"})
        (note,) = (await one.until("configured"))["config"]["notes"]
        assert "'none' is not known" in note
        await one.say(type="configure", template={"name": "pirate"})
        assert (await one.until("error"))["code"] == "missing_variable"
        await one.say(type="message", message="Hello", modalities=["text"])
        await one.until("metrics")
        assert system_prompt(llm).startswith("You are a helpful assistant.")


async def test_an_init_with_a_template_that_lacks_a_variable_may_be_sent_again() -> None:
    async with serving() as served, served.rest() as http, raw(served.url) as one:
        await http.post("/api/templates", json=MINE)
        await one.say(type="init", template={"name": "pirate"})
        assert (await one.until("error"))["code"] == "missing_variable"
        await one.say(type="init", template={"name": "pirate", "variables": {"name": "Jack"}})
        await one.until("init_ack")
