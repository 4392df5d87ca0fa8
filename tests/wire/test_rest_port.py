"""What stands on the REST port besides sockets."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.fakes.scripted import TONE_VOICE, ScriptedLlm
from tests.wire.rig import KEY, serving
from voice_server.client import VoiceClient


class Links(HTMLParser):
    """Every address that a page loads something from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


async def test_health_tells_what_is_ready_and_who_is_there() -> None:
    async with serving(api_keys=[KEY]) as served, served.rest() as http:
        await served.server.readiness.wait()
        async with VoiceClient.connect(served.url, api_key=KEY):
            health = (await http.get("/api/health")).json()
    assert health["status"] == "ok"
    assert health["service"]
    assert health["version"]
    assert health["ready"] is True
    assert health["stages"] == {"stt": "ready", "llm": "ready", "tts": "ready"}
    assert health["sessions"] == 1


async def test_discovery_says_where_to_connect_and_what_there_is() -> None:
    async with serving() as served, served.rest() as http:
        config = (await http.get("/api/websocket/config")).json()
        assert config["websocket"] == {
            "url": f"ws://127.0.0.1:{served.server.port}",
            "port": served.server.port,
        }
        async with VoiceClient.connect(config["websocket"]["url"]) as client:
            assert client.init_ack.status == "connected"
    assert config["tts"]["providers"] == {"scripted": "Scripted scripted"}
    assert config["stt"]["providers"] == {"scripted": "Scripted scripted"}
    assert config["tts"]["voices"] == [
        {
            "provider": "scripted",
            "id": TONE_VOICE.id,
            "name": TONE_VOICE.name,
            "gender": TONE_VOICE.gender,
        }
    ]
    assert [language["code"] for language in config["languages"]] == ["en-US"]
    assert config["defaults"] == {
        "tts_provider": "scripted",
        "tts_voice": "tone",
        "openai_voice": "alloy",
        "elevenlabs_voice": "kgG7dCoKCfLehAPWkJOE",
        "language": "en-US",
    }
    assert config["authentication"] == {"required": False}


async def test_a_public_address_is_what_clients_are_told() -> None:
    async with serving(public_url="wss://voice.example/talk") as served, served.rest() as http:
        config = (await http.get("/api/websocket/config")).json()
    assert config["websocket"]["url"] == "wss://voice.example/talk"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/nothing/here", None, 404, "not_found"),
        ("DELETE", "/api/health", None, 405, "method_not_allowed"),
        ("POST", "/api/voice/stream", b"{", 400, "invalid_request"),
        ("POST", "/api/voice/stream", b'{"model": 7}', 400, "invalid_request"),
        ("POST", "/api/voice/stream", b'{"user_id": "a\\u0000"}', 400, "invalid_request"),
        ("POST", "/api/voice/stream", b'{"model": "' + b"x" * (1 << 20) + b'"}', 413, "too_large"),
        ("POST", "/api/v1/chat", b'{"message": "' + b"x" * (1 << 20) + b'"}', 413, "too_large"),
        ("GET", "/api/v1/nothing/here", None, 404, "not_found"),
        ("GET", "/nothing", None, 404, "not_found"),
        ("PUT", "/api/chat", b"{}", 405, "method_not_allowed"),
        ("POST", "/api/chat", b"[" * 100_000, 400, "invalid_request"),
        ("POST", "/api/chat", b'{"message": "\xff"}', 400, "invalid_request"),
        ("POST", "/api/chat", b'{"message": "' + b"\\ud800" + b'"}', 400, "invalid_request"),
        ("POST", "/api/feedback", b'{"feedback_value": ' + b"9" * 5_000 + b"}", 400, "invalid_request"),
        ("GET", "/api/conversations/conv_none", None, 404, "unknown_conversation"),
    ],
)
async def test_every_error_has_the_one_shape(
    method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    async with serving() as served, served.rest() as http:
        answer = await http.request(
            method, path, content=body, headers={"Content-Type": "application/json"} if body else {}
        )
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "code", "request_id"}
    assert answer.json()["code"] == code
    assert answer.json()["error"]
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
async def test_a_body_that_is_not_said_to_be_json_is_415(kind: str | None) -> None:
    async with serving() as served, served.rest() as http:
        headers = {"Content-Type": kind} if kind else {}
        answer = await http.post("/api/chat", content=b'{"message": "Hello"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["error"]


async def test_a_body_of_unknown_length_is_read_no_further_than_it_may_be() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"message": "'
        for _ in range(17):
            yield b"x" * (1 << 16)
        yield b'"}'

    async with serving() as served, served.rest() as http:
        answer = await http.post("/api/chat", content=parts(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_every_answer_has_an_id_of_its_own() -> None:
    async with serving() as served, served.rest() as http:
        ids = {(await http.get(path)).headers["X-Request-ID"] for path in ("/", "/api/health", "/nothing")}
    assert len(ids) == 3


async def test_a_fault_of_ours_shows_no_trace() -> None:
    class Broken(ScriptedLlm):
        async def warm(self) -> None:
            raise RuntimeError("a secret")

    async with serving(llm=Broken()) as served, served.rest() as http:
        answer = await http.post("/api/chat", json={"message": "Hello"})
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert "secret" not in answer.text


async def test_a_database_that_takes_nothing_is_told() -> None:
    async with serving() as served, served.rest() as http:
        async with served.server.platform.database.write() as session:
            await session.execute(text("DROP TABLE feedback"))
            await session.execute(text("DROP TABLE messages"))
        answer = await http.post("/api/chat", json={"message": "Hello"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_saved")


async def test_features_are_those_the_server_has() -> None:
    async with serving() as served, served.rest() as http:
        found = (await http.get("/api/available_features")).json()["features"]
    assert [one["id"] for one in found] == ["feature_1", "feature_2", "feature_3"]
    enabled = {one["name"]: one["enabled"] for one in found}
    assert enabled["voice_chat"] is True
    assert enabled["multi_agent"] is False


async def test_the_pages_tell_of_every_path() -> None:
    docs = Path(__file__).parents[2] / "docs"
    told = "".join((docs / name).read_text("utf-8") for name in ("rest.md", "keys.md"))
    async with serving() as served, served.rest() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    for path in paths:
        if path.startswith(("/api/v1/", "/api/conversation/")):  # the same again, the pages say
            continue
        whole = re.sub(r"\\\{\w+\\\}", r"[^/`\\s]+", re.escape(path))
        shortened = f"…/{re.escape(path.rpartition('/')[2])}"
        assert re.search(rf"({whole}|{shortened})(?=[`?])", told), path


async def test_layouts_and_agents_are_objects() -> None:
    async with serving() as served, served.rest() as http:
        layouts = (await http.get("/api/layouts")).json()["layouts"]
        assert {"card-list", "timeline", "simple"} <= {one["id"] for one in layouts}
        assert (await http.get("/api/agents")).json() == {"agents": []}


async def test_the_talk_page_is_bound_to_its_own_files() -> None:
    async with serving() as served, served.rest() as http:
        page = await http.get("/")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "object-src 'none'" in policy
        assert "unsafe" not in policy
        links = Links(page.text).found
        assert links
        for link in links:
            assert "//" not in link
            assert (await http.get(f"/{link}")).status_code == 200, link


async def test_the_documentation_loads_from_here_alone() -> None:
    async with serving() as served, served.rest() as http:
        page = await http.get("/docs")
        links = Links(page.text).found
        assert any(link.endswith(".js") for link in links)
        for link in links:
            assert link.startswith("/")
            assert not link.startswith("//")
            assert (await http.get(link)).status_code == 200, link
        assert "https://" not in page.text
        paths = (await http.get("/openapi.json")).json()["paths"]
    assert {"/api/health", "/api/websocket/config", "/api/voice/stream"} <= set(paths)


async def test_another_site_may_load_the_widget_but_not_call_the_api() -> None:
    elsewhere = {"Origin": "https://shop.example"}
    async with serving() as served, served.rest() as http:
        for path in ("/widget.js", "/widget/element.js"):
            widget = await http.get(path, headers=elsewhere)
            assert widget.headers["Access-Control-Allow-Origin"] == "*"
            assert widget.headers["Content-Type"].startswith("text/javascript")
        api = await http.get("/api/websocket/config", headers=elsewhere)
        assert "Access-Control-Allow-Origin" not in api.headers


async def test_a_page_and_its_modules_are_of_one_version() -> None:
    async with serving() as served, served.rest() as http:
        for path in ("/", "/page.js", "/widget/element.js", "/dashboard", "/dashboard/modules/api.js"):
            assert (await http.get(path)).headers["Cache-Control"] == "no-cache", path


async def test_a_listed_site_may_call_the_api() -> None:
    async with serving(origins=("https://shop.example",)) as served, served.rest() as http:
        api = await http.get("/api/websocket/config", headers={"Origin": "https://shop.example"})
    assert api.headers["Access-Control-Allow-Origin"] == "https://shop.example"
