"""Who may open a socket at all."""

import asyncio

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.wire.rig import PATIENCE_S, Served, raw, serving

ports = pytest.mark.parametrize("port", ["voice", "rest"])


def address(served: Served, port: str) -> str:
    return served.url if port == "voice" else f"{served.rest_socket_url}/"


async def refusal(url: str, **options: object) -> httpx.Response:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, proxy=None, **options):  # type: ignore[arg-type]  # passed on as they came
            pass
    answer = refused.value.response
    return httpx.Response(
        answer.status_code, headers=list(answer.headers.raw_items()), content=bytes(answer.body or b"")
    )


async def let_in(url: str) -> None:
    """A place becomes free a moment after a connection has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with raw(url) as caller:
                    await caller.answers()
                    return
            except InvalidStatus:
                await asyncio.sleep(0.01)


@ports
@pytest.mark.parametrize("path", ["", "ws", "v1/ws"])
async def test_the_same_session_at_each_native_path(port: str, path: str) -> None:
    async with serving() as served, raw(address(served, port) + path) as caller:
        await caller.say(type="init")
        assert (await caller.until("init_ack"))["status"] == "connected"


@ports
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost"])
async def test_a_page_of_another_origin_is_refused_before_the_upgrade(
    port: str, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served:
        answer = await refusal(address(served, port), origin=origin)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []  # no fault of ours
    assert answer.status_code == 403
    assert origin in answer.text


@ports
async def test_a_listed_origin_is_let_in(port: str) -> None:
    async with (
        serving(origins=("https://app.example",)) as served,
        raw(address(served, port), origin="https://app.example") as caller,
    ):
        await caller.answers()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_the_talk_page_is_let_in_by_default_wherever_the_port_was_found(name: str) -> None:
    async with (
        serving() as served,
        raw(served.url, origin=f"http://{name}:{served.server.rest_port}") as caller,
    ):
        await caller.answers()


async def test_an_unknown_path_is_404_with_the_paths_that_exist() -> None:
    async with serving() as served:
        answer = await refusal(served.url + "nowhere")
    assert answer.status_code == 404
    assert "/v1/ws" in answer.text


async def test_a_browser_that_looks_for_a_page_is_told_where_it_is() -> None:
    async with serving() as served, httpx.AsyncClient() as http:
        answer = await http.get(served.url.replace("ws", "http", 1))
    assert answer.status_code == 426
    assert "8080" in answer.text


async def test_anything_but_get_is_405() -> None:
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        async with raw(served.url) as caller:
            await caller.answers()
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET\r\n" in answer


@ports
async def test_compression_is_not_negotiated(port: str) -> None:
    async with serving() as served, connect(address(served, port), proxy=None) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        assert socket.protocol.extensions == []


@ports
async def test_connections_in_all_are_bounded_and_a_place_becomes_free(port: str) -> None:
    async with serving(limits={"connections": 2}) as served:
        url = address(served, port)
        async with raw(url) as first:
            async with raw(served.url):
                answer = await refusal(url)
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
                await first.answers()
            await let_in(url)


@ports
async def test_connections_of_an_address_are_bounded(port: str) -> None:
    async with serving(limits={"connections_per_address": 1}) as served, raw(served.url):
        assert (await refusal(address(served, port))).status_code == 503


@ports
async def test_behind_a_trusted_proxy_the_address_is_the_one_it_names(port: str) -> None:
    limits = {"connections_per_address": 1}
    async with serving(limits=limits, trusted_proxies="127.0.0.1") as served:
        url = address(served, port)
        first = {"X-Forwarded-For": "203.0.113.7"}
        # What a caller writes in front of its own address is hearsay.
        forged = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        async with (
            raw(url, additional_headers=first),
            raw(url, additional_headers={"X-Forwarded-For": "203.0.113.8"}),
        ):
            assert (await refusal(url, additional_headers=first)).status_code == 503
            assert (await refusal(url, additional_headers=forged)).status_code == 503


async def test_a_stranger_cannot_name_his_own_address() -> None:
    async with serving(limits={"connections_per_address": 1}) as served:
        first = {"X-Forwarded-For": "203.0.113.7"}
        second = {"X-Forwarded-For": "203.0.113.8"}
        async with raw(served.url, additional_headers=first):
            assert (await refusal(served.url, additional_headers=second)).status_code == 503
