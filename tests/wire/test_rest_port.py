"""What stands on the REST port besides sockets."""

from html.parser import HTMLParser

import pytest

from tests.fakes.scripted import TONE_VOICE
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
        ("POST", "/api/voice/stream", b'{"model": "' + b"x" * (1 << 20) + b'"}', 413, "too_large"),
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


async def test_a_listed_site_may_call_the_api() -> None:
    async with serving(origins=("https://shop.example",)) as served, served.rest() as http:
        api = await http.get("/api/websocket/config", headers={"Origin": "https://shop.example"})
    assert api.headers["Access-Control-Allow-Origin"] == "https://shop.example"
