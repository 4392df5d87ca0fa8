"""Who it is, where keys are demanded."""

import asyncio
import base64
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.wire.rig import KEY, Served, clip, eventually, raw, serving
from voice_server.client import ServerError, VoiceClient
from voice_server.core.caller import Tier
from voice_server.core.journal import Remembered
from voice_server.fakes.spoken import quiet, speak
from voice_server.services.keys import NewKey

OTHER_KEY = "sk-test-another-key-of-somebody-else-0000"
WRONG = "Invalid API key. Please check your credentials."
MISSING = "Authentication required. Provide a valid user ID or API key."

ports = pytest.mark.parametrize("port", ["voice", "rest"])


def address(served: Served, port: str) -> str:
    return served.url if port == "voice" else f"{served.rest_socket_url}/"


@ports
@pytest.mark.parametrize(
    ("init", "sentence"),
    [
        ({"api_key": "sk-wrong"}, WRONG),
        ({}, MISSING),
        ({"user_id": "anybody"}, MISSING),
        ({"api_key": None}, MISSING),
        ({"api_key": ""}, MISSING),
    ],
)
async def test_without_a_good_key_there_is_a_sentence_and_4401(
    port: str, init: dict[str, str | None], sentence: str
) -> None:
    async with serving(api_keys=[KEY]) as served, raw(address(served, port)) as caller:
        await caller.say(type="init", **init)
        code, _ = await caller.closed()
        assert code == 4401
        assert [(error["stage"], error["message"]) for error in caller.of_type("error")] == [
            ("auth", sentence)
        ]


async def test_an_init_that_cannot_be_read_is_not_waited_for_again() -> None:
    async with serving(api_keys=[KEY]) as served, raw(served.url) as caller:
        await caller.socket.send('{"type": "init", "api_key": 7}')
        assert (await caller.closed())[0] == 4401
        assert len(caller.of_type("error")) == 1


async def test_a_wrong_key_locks_nobody_out() -> None:
    async with serving(api_keys=[KEY]) as served:
        for _ in range(20):
            with pytest.raises(ServerError):
                async with VoiceClient.connect(served.url, api_key="sk-wrong"):
                    pass
        async with VoiceClient.connect(served.url, api_key=KEY) as client:
            assert client.init_ack.status == "connected"


@ports
@pytest.mark.parametrize("way", ["init", "query", "bearer", "header"])
async def test_each_way_to_bring_a_key(port: str, way: str) -> None:
    async with serving(api_keys=[KEY]) as served:
        url, headers, init = address(served, port), {}, {}
        match way:
            case "init":
                init = {"api_key": KEY}
            case "query":
                url += f"?api_key={KEY}"
            case "bearer":
                headers = {"Authorization": f"Bearer {KEY}"}
            case "header":
                headers = {"X-API-Key": KEY}
        async with raw(url, additional_headers=headers) as caller:
            if init:
                await caller.say(type="init", **init)
                await caller.until("init_ack")
            await caller.answers()  # a key in the handshake needs no init


async def test_what_comes_before_a_key_is_answered_by_an_error_and_changes_nothing() -> None:
    async with serving(api_keys=[KEY]) as served, raw(served.url) as caller:
        await caller.say(type="message", message="Hello")
        error = await caller.until("error")
        assert (error["stage"], error["code"]) == ("auth", "not_authenticated")
        await caller.say(type="init", api_key=KEY)
        await caller.until("init_ack")
        await caller.answers()
        assert caller.of_type("ai_response") == []


async def test_no_init_in_time_is_4408_and_pings_win_no_time() -> None:
    async with serving(api_keys=[KEY], limits={"init_s": 0.5}) as served, raw(served.url) as caller:

        async def ping() -> None:
            while True:
                await caller.say(type="ping")
                await caller.socket.ping()
                await asyncio.sleep(0.1)

        pinging = asyncio.create_task(ping())
        code, _ = await caller.closed()
        pinging.cancel()
        await asyncio.wait({pinging})
        assert code == 4408
        assert caller.of_type("error")[-1]["stage"] == "auth"


async def test_who_came_in_time_is_not_sent_away_for_a_slow_database(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(api_keys=[KEY], limits={"init_s": 0.5}) as served, raw(served.url) as caller:
        journal = served.server.platform.journal
        at_once = journal.open

        async def open_slowly(owner: str, wished: str | None, user_id: str | None = None) -> Remembered:
            await asyncio.sleep(1)
            return await at_once(owner, wished, user_id)

        monkeypatch.setattr(journal, "open", open_slowly)
        await caller.say(type="init", api_key=KEY)
        await caller.until("init_ack")
        assert caller.of_type("error") == []


async def test_without_keys_nothing_need_be_said_to_stay() -> None:
    async with serving(limits={"init_s": 0.1}) as served, raw(served.url) as caller:
        await asyncio.sleep(0.5)
        await caller.answers()


@ports
async def test_a_stranger_may_not_send_much(port: str) -> None:
    async with serving(api_keys=[KEY]) as served, raw(address(served, port)) as caller:
        half = json.dumps({"type": "ping", "timestamp": "x" * 60_000})
        # It is cut off in the midst of sending: whatever it sends after that fails as well.
        async with asyncio.timeout(20):
            code = None
            for _ in range(7):
                try:
                    await caller.socket.send(half)
                except ConnectionClosed:
                    break
            code, _ = await caller.closed()
        assert code in (1006, 1009)
        async with VoiceClient.connect(served.url, api_key=KEY) as client:
            assert client.init_ack.status == "connected"


@ports
@pytest.mark.parametrize("kept_in", ["settings", "database"])
async def test_a_long_clip_right_behind_init_is_taken(port: str, kept_in: str) -> None:
    audio = clip(speak("a clip behind init") + quiet(60_000))
    async with serving(api_keys=[KEY]) as served, raw(address(served, port), greeted=False) as caller:
        key = KEY
        if kept_in == "database":
            _, key = await served.server.platform.keys.create(NewKey("tablet", Tier.PRO))
        await caller.say(type="init", api_key=key)
        await caller.say(type="audio", audio_data=base64.b64encode(audio).decode())
        assert (await caller.until("transcription"))["text"] == "a clip behind init"


@pytest.mark.parametrize(("tier", "most"), [("free", 2), ("basic", 3)])
async def test_sessions_of_a_key_are_bounded_by_its_tier(tier: str, most: int) -> None:
    keys = [{"key": KEY, "name": "one", "tier": tier}, {"key": OTHER_KEY, "name": "two", "tier": "free"}]
    async with serving(api_keys=keys, limits={"sessions": {"basic": 3}}) as served:
        clients = [VoiceClient.connect(served.url, api_key=KEY) for _ in range(most)]
        for client in clients:
            await client.__aenter__()
        async with raw(served.url) as caller:
            await caller.say(type="init", api_key=KEY)
            assert (await caller.closed())[0] == 4429
            (error,) = caller.of_type("error")
            assert error["stage"] == "limit"
            assert str(most) in error["message"]
        async with VoiceClient.connect(served.url, api_key=OTHER_KEY):
            pass  # another key's places are its own
        await clients[0].__aexit__(None, None, None)
        await eventually(lambda: served.server.sessions.count < most)
        async with VoiceClient.connect(served.url, api_key=KEY):
            pass
        for client in clients[1:]:
            await client.__aexit__(None, None, None)


async def test_the_key_of_rest_routes() -> None:
    async with serving(api_keys=[KEY]) as served, served.rest() as http:
        refused = await http.post("/api/voice/stream", json={})
        assert refused.status_code == 401
        assert refused.json()["error"] == MISSING
        wrong = await http.post("/api/voice/stream", json={}, headers={"X-API-Key": "sk-wrong"})
        assert wrong.status_code == 401
        assert wrong.json()["error"] == WRONG
        ticket = (await http.post("/api/voice/stream", json={}, headers={"X-API-Key": KEY})).json()
        async with connect(
            f"{served.rest_socket_url}/voice/stream/{ticket['session_id']}",
            additional_headers={"Authorization": "Bearer not-the-token"},
            proxy=None,
        ) as socket:
            await socket.send(json.dumps({"config": {}}))
            message = json.loads(await socket.recv())
            assert message["type"] == "error"
            await socket.wait_closed()
            assert socket.close_code == 4401
