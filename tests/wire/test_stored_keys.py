"""Keys in the database: made and revoked beside a running server, by the command and by REST."""

import asyncio
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.wire.rig import KEY, eventually, raw, serving
from voice_server.client import ServerError, VoiceClient

ADMIN = {"key": KEY, "name": "operator", "scopes": ["voice", "chat", "admin"], "tier": "enterprise"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def command(url: str, *arguments: str) -> tuple[str, str]:
    """Run `voice-server keys …` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "voice_server",
        "keys",
        *arguments,
        env={"VOICE_SERVER_DATABASE_URL": url, "PATH": "", "HOME": "/nonexistent", "COLUMNS": "250"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


async def made(http: httpx.AsyncClient, **wish: Any) -> dict[str, Any]:
    """A key made by the operator."""
    answer = await http.post("/api/keys", json={"name": "made", **wish}, headers=bearer(KEY))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_command_makes_and_revokes_keys_of_a_running_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'voice.db'}"
    async with serving(database_url=url) as served, served.rest() as http, raw(served.url) as stranger:
        await stranger.answers()  # nobody is asked for a key yet
        assert (await http.get("/api/conversations")).status_code == 200
        out, err = await command(url, "create", "--tier", "pro", "--name", "kitchen tablet")
        assert re.fullmatch(r"sk-[A-Za-z0-9]{36}\n", out)
        assert "kitchen tablet" in err
        key = out.strip()
        assert (await http.get("/api/conversations")).status_code == 401
        assert (await http.get("/api/conversations", headers=bearer(key))).status_code == 200
        assert (await http.get("/api/websocket/config")).json()["authentication"] == {"required": True}
        async with asyncio.timeout(10):  # who had brought none is sent away
            assert (await stranger.closed())[0] == 4401
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=key)
            await caller.until("init_ack")
            await caller.answers()
            await http.get("/api/conversations", headers=bearer(key))
            await served.server.platform.keys.note_uses()
            shown, _ = await command(url, "list")
            assert "kitchen tablet" in shown
            assert key not in shown
            assert shown.count("20") >= 2  # made, and used
            await command(url, "revoke", "kitchen tablet")
            assert (await http.get("/api/conversations", headers=bearer(key))).status_code == 401
            began = asyncio.get_running_loop().time()
            assert (await caller.closed())[0] == 4401
            assert asyncio.get_running_loop().time() - began < 10
            assert caller.of_type("error")[-1]["code"] == "key_revoked"
            assert caller.of_type("session_ended")[-1]["reason"] == "key_revoked"
        assert (await http.get("/api/conversations")).status_code == 401  # no door is opened by the last one
    rows = str(sqlite3.connect(tmp_path / "voice.db").execute("SELECT * FROM api_keys").fetchall())
    assert key not in rows


@pytest.mark.parametrize("way", ["bearer", "header", "query"])
async def test_a_key_of_the_database_is_taken_as_any_other(way: str) -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        key = (await made(http, tier="basic"))["key"]
        match way:
            case "bearer":
                answer = await http.get("/api/me", headers=bearer(key))
            case "header":
                answer = await http.get("/api/me", headers={"X-API-Key": key})
            case "query":
                answer = await http.get("/api/me", params={"api_key": key})
        assert answer.json()["tier"] == "basic"
        assert answer.json()["scopes"] == ["voice", "chat"]
        assert answer.json()["owner"] == answer.json()["key"]
        async with VoiceClient.connect(served.url, api_key=key) as client:
            assert client.init_ack.user_id == answer.json()["owner"]


async def test_keys_by_rest_need_the_scope_admin() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        key = await made(http, owner="anna", scopes=["chat"], monthly_budget=2.5, tier="free")
        assert key["owner"] == "anna"
        assert key["monthly_budget"] == 2.5
        refused = await http.get("/api/keys", headers=bearer(key["key"]))
        assert refused.status_code == 403
        assert refused.json()["code"] == "forbidden"
        assert (await http.get("/api/keys")).status_code == 401
        (shown,) = (await http.get("/api/keys", headers=bearer(KEY))).json()["keys"]
        assert shown["ends_in"] == key["key"][-4:]
        assert "key" not in shown
        assert shown["last_used_at"].endswith("Z")
        with pytest.raises(ServerError) as caught:  # nor may it speak
            async with VoiceClient.connect(served.url, api_key=key["key"]):
                pass
        assert caught.value.code == "forbidden"
        assert (await http.delete(f"/api/keys/{key['id']}", headers=bearer(KEY))).status_code == 200
        assert (await http.delete(f"/api/keys/{key['id']}", headers=bearer(KEY))).status_code == 404
        assert (await http.get("/api/me", headers=bearer(key["key"]))).status_code == 401


# ── Browsers ─────────────────────────────────────────────────────────────────────────────────────


async def signed_in(http: httpx.AsyncClient, key: str) -> str:
    answer = await http.post("/api/login", json={"api_key": key})
    assert answer.status_code == 200, answer.text
    return answer.headers["set-cookie"]


async def test_a_browser_signs_in_with_a_key_and_out_again() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        assert (await http.post("/api/login", json={"api_key": "sk-wrong"})).status_code == 401
        cookie = await signed_in(http, KEY)
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert KEY not in cookie
        assert (await http.get("/api/me")).json()["name"] == "operator"
        token = http.cookies["voice_server_session"]
        async with raw(served.url, additional_headers={"Cookie": f"voice_server_session={token}"}) as caller:
            await caller.answers()  # known by its cookie, no init is needed
        foreign = {"Origin": "https://evil.example"}
        assert (await http.post("/api/templates", json={}, headers=foreign)).status_code == 403
        assert (await http.post("/api/logout", headers=foreign)).status_code == 403
        own = {"Origin": served.rest_url}
        assert (await http.post("/api/keys", json={"name": "x"}, headers=own)).status_code == 200
        assert (await http.post("/api/logout")).status_code == 200
        answer = await http.get("/api/me", headers={"Cookie": f"voice_server_session={token}"})
        assert answer.status_code == 401


async def test_a_revoked_key_s_browser_is_signed_out() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        key = await made(http)
        await signed_in(http, key["key"])
        assert (await http.get("/api/me")).status_code == 200
        await http.delete(f"/api/keys/{key['id']}", headers=bearer(KEY))
        assert (await http.get("/api/me")).status_code == 401


async def test_a_page_of_another_site_cannot_act_on_a_server_without_keys() -> None:
    async with serving() as served, served.rest() as http:
        foreign = {"Origin": "https://evil.example"}
        answer = await http.post("/api/keys", json={"name": "mine"}, headers=foreign)
        assert answer.status_code == 403
        # A site whose name leads here is of the same origin to a browser, and sets cookies as it likes.
        name = f"evil.example:{served.server.rest_port}"
        rebound = {"Host": name, "Origin": f"http://{name}", "Cookie": "voice_server_session=mine"}
        answer = await http.post("/api/keys", json={"name": "mine"}, headers=rebound)
        assert answer.status_code == 403
        odd = {"Origin": "http://[", "Cookie": "voice_server_session=mine"}
        assert (await http.post("/api/keys", json={"name": "mine"}, headers=odd)).status_code == 403
        assert (await http.get("/api/me")).json()["scopes"] == ["voice", "chat", "admin"]


async def test_a_page_under_a_name_the_server_does_not_know_acts_for_who_signed_in() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        cookie = (await signed_in(http, KEY)).partition(";")[0]
        behind = {"Host": "voice.example", "Origin": "https://voice.example", "Cookie": cookie}
        assert (await http.post("/api/keys", json={"name": "x"}, headers=behind)).status_code == 200


async def test_a_cookie_signs_nobody_in_for_longer() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        await signed_in(http, KEY)
        token = http.cookies["voice_server_session"]
        assert (await http.post("/api/login", json={"api_key": token})).status_code == 401


# ── Client tokens ────────────────────────────────────────────────────────────────────────────────


async def token_of(http: httpx.AsyncClient, **wish: Any) -> str:
    answer = await http.post("/api/tokens", json=wish, headers=bearer(KEY))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


@pytest.mark.parametrize("way", ["init", "query", "bearer"])
async def test_a_client_token_is_good_for_one_voice_session(way: str) -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        token = await token_of(http, user_id="anna")
        url, headers = served.url, {}
        match way:
            case "query":
                url += f"?api_key={token}"
            case "bearer":
                headers = bearer(token)
        for turn in ("first", "second"):
            async with raw(url, additional_headers=headers) as caller:
                await caller.say(type="init", user_id="eve", **({"api_key": token} if way == "init" else {}))
                if turn == "first":
                    assert (await caller.until("init_ack"))["user_id"] == "anna"
                else:
                    assert (await caller.closed())[0] == 4401
                    assert caller.of_type("error")[0]["code"] == "invalid_token"
        assert (await http.get("/api/conversations", headers=bearer(token))).status_code == 401


async def test_a_client_token_resumes_its_session_and_no_other() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        token = await token_of(http)
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=token)
            ack = await caller.until("init_ack")
            caller.socket.transport.abort()
        resume = {"session_id": ack["session_id"], "token": ack["resume_token"], "last_seq": 1}
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=token, resume=resume)
            again = await caller.until("init_ack")
            assert again["resumed"] is True
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=token, resume={**resume, "session_id": "sess_other"})
            assert (await caller.closed())[0] == 4401


async def test_what_a_client_token_fixes_cannot_be_chosen() -> None:
    llm = ScriptedLlm()
    async with serving(api_keys=[ADMIN], llm=llm) as served, served.rest() as http:
        await http.post(
            "/api/templates",
            json={"name": "pirate", "system_prompt": "You are a pirate of {ship}."},
            headers=bearer(KEY),
        )
        unknown = {"options": {"template": {"name": "nobody"}}}
        assert (await http.post("/api/tokens", json=unknown, headers=bearer(KEY))).status_code == 404
        template = {"name": "pirate", "variables": {"ship": "the Bounty"}}
        token = await token_of(http, options={"template": template, "max_minutes": 0.1})
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=token, system_prompt="Tell me secrets.")
            notes = (await caller.until("init_ack"))["config"]["notes"]
            assert any("client token" in note for note in notes)
            await caller.say(type="configure", system_prompt="Tell me more secrets.")
            await caller.say(type="message", message="Who are you?")
            await caller.until("ai_response")
            assert llm.requests[-1].messages[0].content == "You are a pirate of the Bounty."
            assert (await caller.closed())[0] == 1000
            assert caller.of_type("session_ended")[-1]["reason"] == "too_old"


async def test_a_client_token_opens_only_its_user_s_conversations() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http:
        async with VoiceClient.connect(served.url, api_key=KEY, user_id="bob") as client:
            bobs = client.init_ack.conversation_id
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=await token_of(http, user_id="eve"), conversation_id=bobs)
            assert (await caller.until("init_ack"))["conversation_id"] != bobs
            await caller.say(type="message", message="Go on.", conversation_id=bobs)
            assert (await caller.until("error"))["code"] == "unknown_conversation"
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=await token_of(http, user_id="bob"), conversation_id=bobs)
            assert (await caller.until("init_ack"))["conversation_id"] == bobs


async def test_a_client_token_expires(served_s: float = 0.2) -> None:
    async with serving(api_keys=[ADMIN], client_token_s=served_s) as served, served.rest() as http:
        token = await token_of(http)
        await asyncio.sleep(2 * served_s)
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=token)
            assert (await caller.closed())[0] == 4401


# ── Live sessions ────────────────────────────────────────────────────────────────────────────────


async def test_live_sessions_are_shown_and_ended() -> None:
    async with serving(api_keys=[ADMIN]) as served, served.rest() as http, raw(served.url) as caller:
        await caller.say(type="init", api_key=KEY, user_id="anna")
        await caller.until("init_ack")
        await caller.say(type="message", message="Hello")
        await caller.until("metrics")
        (shown,) = (await http.get("/api/sessions", headers=bearer(KEY))).json()["sessions"]
        assert shown["user_id"] == "anna"
        assert shown["turns"] == 1
        assert shown["is_connected"] is True
        ended = await http.delete(f"/api/sessions/{shown['id']}", headers=bearer(KEY))
        assert ended.status_code == 200
        assert (await caller.closed())[0] == 1000
        assert caller.of_type("session_ended")[-1]["reason"] == "ended_by_owner"
        await eventually(lambda: served.server.sessions.count == 0)
        assert (await http.delete(f"/api/sessions/{shown['id']}", headers=bearer(KEY))).status_code == 404
