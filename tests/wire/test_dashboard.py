"""The dashboard in a real browser: what a person who runs the server sees and does there."""

import asyncio
from pathlib import Path

from playwright.async_api import Route

from tests.fakes.scripted import ScriptedLlm
from tests.wire.rig import KEY, raw, serving
from tests.wire.test_page import ARTIFACTS, browsing, quiet
from tests.wire.test_stored_keys import ADMIN, bearer, made


async def test_the_dashboard_shows_what_happened_and_makes_keys(tmp_path: Path) -> None:
    long_reply = "This is heard for certain. " + "And this goes on and on without an end. " * 20
    llm = ScriptedLlm([["The capital of France is Paris. "], [long_reply]])
    async with (
        serving(api_keys=[ADMIN], llm=llm) as served,
        served.rest() as http,
        raw(served.url) as caller,
    ):
        await caller.say(type="init", api_key=KEY, user_id="anna")
        ack = await caller.until("init_ack")
        await caller.say(type="message", message="What is the capital of France?", modalities=["text"])
        reply = await caller.until("ai_response")
        await caller.until("metrics")
        await caller.say(type="message", message="Tell me <b>everything</b>.")
        while (chunk := await caller.until("audio_chunk"))["index"] < 15:
            pass
        await caller.say(type="playback", turn_id=chunk["turn_id"], played_ms=1_500)
        await caller.say(type="stop")
        await caller.until("metrics")
        opinion = {
            "conversation_id": ack["conversation_id"],
            "message_id": reply["message_id"],
            "feedback_type": "rating",
            "feedback_value": 5,
            "comment": "quick and right",
        }
        assert (await http.post("/api/feedback", json=opinion, headers=bearer(KEY))).status_code == 200
        old = await made(http, name="old tablet", tier="basic")
        async with browsing(served.rest_url + "/dashboard", quiet(1), tmp_path) as browsed:
            page = browsed.page
            page.on("dialog", lambda dialog: dialog.accept())
            await page.get_by_label("API key").fill("sk-wrong")
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_text("Invalid API key").wait_for()
            browsed.complaints.clear()  # a browser complains of every 401
            await page.get_by_label("API key").fill(KEY)
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_role("link", name="What is the capital of France?").click()
            await page.get_by_text("The capital of France is Paris.").wait_for()
            assert await page.locator(".turns li").count() == 4
            assert "<b>everything</b>" in await page.locator(".turns").inner_text()
            assert await page.locator(".turns del").count() == 1  # what was not heard
            assert "quick and right" in await page.locator(".turns").inner_text()
            ARTIFACTS.mkdir(exist_ok=True)
            await page.screenshot(path=ARTIFACTS / "dashboard-conversation.png")
            await page.get_by_role("button", name="Replay").click()
            await page.locator(".turns li:not([hidden])").nth(3).wait_for(timeout=20_000)

            await page.get_by_role("link", name="Live").click()
            await page.get_by_role("cell", name="anna", exact=True).wait_for()
            await page.get_by_role("button", name="End the session of anna").click()
            assert (await caller.closed())[0] == 1000

            await page.get_by_role("link", name="Usage").click()
            await page.locator("svg rect.bar").first.wait_for()
            assert await page.locator("figure").count() == 3
            await page.screenshot(path=ARTIFACTS / "dashboard-usage.png", full_page=True)

            await page.get_by_role("link", name="Feedback").click()
            await page.get_by_text("quick and right").wait_for()
            await page.get_by_role("link", name="Templates").click()
            await page.get_by_text("standard_assistant").wait_for()

            await page.get_by_role("link", name="Keys").click()
            await page.get_by_role("button", name="Revoke old tablet").click()
            await page.get_by_text("revoked").wait_for()
            assert (await http.get("/api/me", headers=bearer(old["key"]))).status_code == 401
            await page.get_by_label("Name").fill("new tablet")
            await page.get_by_role("button", name="Make a key").click()
            key = await page.locator(".made code").inner_text()
            assert (await http.get("/api/me", headers=bearer(key))).json()["name"] == "new tablet"
            await page.screenshot(path=ARTIFACTS / "dashboard-keys.png")
            stored = await page.evaluate(
                "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
            )
            assert KEY not in stored
            await browsed.assert_undisturbed()

            await page.get_by_role("button", name="Sign out").click()
            await page.get_by_label("API key").wait_for()
            await page.reload()
            await page.get_by_label("API key").wait_for()
            assert await page.locator("nav a").count() == 0


async def test_without_keys_the_dashboard_is_open(tmp_path: Path) -> None:
    async with (
        serving() as served,
        browsing(served.rest_url + "/dashboard", quiet(1), tmp_path) as browsed,
    ):
        await browsed.page.get_by_text("Nobody has said anything yet.").wait_for()
        await browsed.page.goto(served.rest_url + "/dashboard#keys")
        await browsed.page.get_by_text("No key has been made yet.").wait_for()
        await browsed.assert_undisturbed()


async def test_a_view_that_comes_too_late_does_not_replace_the_next_one(tmp_path: Path) -> None:
    async with (
        serving() as served,
        browsing(served.rest_url + "/dashboard", quiet(1), tmp_path) as browsed,
    ):
        page, go_on = browsed.page, asyncio.Event()

        async def late(route: Route) -> None:
            await go_on.wait()
            await route.continue_()

        await page.route("**/api/usage/latency", late)
        await page.get_by_role("link", name="Usage").click()
        await page.get_by_role("link", name="Templates").click()
        await page.get_by_text("standard_assistant").wait_for()
        async with page.expect_response("**/api/usage/latency"):
            go_on.set()
        await page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))")
        assert await page.locator("h2").all_inner_texts() == ["Templates"]
        assert await page.evaluate("document.activeElement.tagName") == "MAIN"


async def test_the_live_view_goes_on_after_a_failure_and_asks_no_more_often_than_it_should(
    tmp_path: Path,
) -> None:
    async with (
        serving() as served,
        raw(served.url) as first,
        raw(served.url) as second,
        browsing(served.rest_url + "/dashboard", quiet(1), tmp_path) as browsed,
    ):
        page = browsed.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/sessions?" in request.url else None)
        for caller, name in ((first, "anna"), (second, "bert")):
            await caller.say(type="init", user_id=name)
            await caller.until("init_ack")
        await page.clock.install()
        await page.get_by_role("link", name="Live").click()
        await page.get_by_role("button", name="End the session of anna").click()
        await page.get_by_role("cell", name="anna", exact=True).wait_for(state="detached")
        await page.route("**/api/sessions?*", lambda route: route.abort())
        await page.clock.run_for(5_100)
        await page.locator("main .error").wait_for()
        await page.unroute("**/api/sessions?*")
        await page.clock.run_for(5_100)
        await page.get_by_role("cell", name="bert", exact=True).wait_for()
        asked.clear()
        for _ in range(4):
            await page.clock.run_for(5_000)
            await page.wait_for_load_state("networkidle")
        assert len(asked) == 4
        await page.get_by_role("button", name="End the session of bert").focus()
        asked.clear()
        await page.clock.run_for(30_000)
        assert asked == []
