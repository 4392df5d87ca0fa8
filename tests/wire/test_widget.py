"""The element in a real browser, where something comes at the wrong moment."""

from pathlib import Path

import pytest

from tests.fakes.scripted import ScriptedLlm
from tests.wire.rig import KEY, serving
from tests.wire.test_page import browsing, quiet

HELD_QUESTION = """
const asked = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.tracks = [];
navigator.mediaDevices.getUserMedia = (wish) => new Promise((resolve) => {
  window.allow = async () => {
    const stream = await asked(wish);
    window.tracks.push(...stream.getTracks());
    resolve(stream);
  };
});
null; // else the function would be called
"""


async def test_a_typed_key_goes_to_no_other_server(tmp_path: Path) -> None:
    async with (
        serving(api_keys=[KEY]) as first,
        serving(api_keys=[KEY], origins=[first.server.page_url.rstrip("/")]) as second,
        browsing(first.server.page_url, quiet(1), tmp_path) as browsed,
    ):
        page = browsed.page
        await page.locator("voice-chat #key").fill(KEY)
        await page.locator("voice-chat .key button").click()
        await browsed.until("chat.state === 'ready'")
        assert browsed.of_type("init")[-1]["api_key"] == KEY
        said = len(browsed.of_type("init"))
        other = f"ws://localhost:{second.server.port}/"
        await page.evaluate("(url) => document.querySelector('voice-chat').setAttribute('url', url)", other)
        await browsed.until("chat.state === 'locked'")
        assert all("api_key" not in init for init in browsed.of_type("init")[said:])


async def test_what_a_closed_speaker_had_said_is_not_counted(tmp_path: Path) -> None:
    async with (
        serving() as served,
        browsing(served.server.page_url, quiet(1), tmp_path) as browsed,
    ):
        is_busy, is_playing = await browsed.page.evaluate("""async () => {
          const { Speaker } = await import("/widget/speaker.js");
          const { Sound } = await import("/widget/sound.js");
          const sound = new Sound(() => {});
          const nothing = () => {};
          const heard = { started: nothing, level: nothing, heard: nothing, done: nothing, failed: nothing };
          const speaker = new Speaker(sound, heard);
          const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          speaker.begin("turn_1", 24000);
          await wait(500);
          speaker.push(new Int16Array(24000).buffer);
          const until = performance.now() + 500; // the audio thread speaks, nobody listens yet
          while (performance.now() < until);
          speaker.close();
          sound.close();
          await wait(200);
          speaker.begin("turn_2", 24000);
          return [speaker.isBusy, speaker.playing];
        }""")
        assert (is_busy, is_playing) == (True, False)
        await browsed.assert_undisturbed()


@pytest.mark.parametrize("mode", ["open", "push"])
async def test_a_microphone_that_is_allowed_too_late_is_let_go(tmp_path: Path, mode: str) -> None:
    async with (
        serving() as served,
        browsing(served.server.page_url, quiet(1), tmp_path) as browsed,
    ):
        page = browsed.page
        await browsed.until("chat.state === 'ready'")
        await page.evaluate(HELD_QUESTION)
        await page.evaluate("(mode) => document.querySelector('voice-chat').setAttribute('mode', mode)", mode)
        await page.locator("voice-chat .control").click(delay=500)
        await page.wait_for_function("() => window.allow !== undefined")
        await page.evaluate("document.querySelector('voice-chat').disconnect()")
        await page.evaluate("window.allow()")
        await page.wait_for_function("() => window.tracks.length > 0", timeout=5_000)
        await page.wait_for_function(
            "window.tracks.every((one) => one.readyState === 'ended')", timeout=5_000
        )
        assert await browsed.told("error") == []
        await browsed.assert_undisturbed()


async def test_a_typed_message_that_is_too_large_takes_no_other_reply(tmp_path: Path) -> None:
    async with (
        serving(llm=ScriptedLlm([["The answer."]])) as served,
        browsing(served.server.page_url, quiet(1), tmp_path) as browsed,
    ):
        page = browsed.page
        await browsed.until("chat.state === 'ready'")
        await page.evaluate("document.querySelector('voice-chat').say('   ')")
        await page.evaluate("document.querySelector('voice-chat').say('x'.repeat(70000))")
        await browsed.until("told.some((one) => one.name === 'error')")
        await browsed.until("chat.state === 'ready'")
        assert "too_large" in [error["code"] for error in await browsed.told("error")]
        await page.evaluate("document.querySelector('voice-chat').say('Hello')")
        await browsed.until("told.some((one) => one.name === 'metrics')")
        turns = await page.evaluate("document.querySelector('voice-chat').turns")
        assert [(turn["user"][:5], turn["reply"]) for turn in turns] == [
            ("xxxxx", ""),
            ("Hello", "The answer."),
        ]
        assert "65536 are taken" in await page.locator("voice-chat .log").inner_text()
