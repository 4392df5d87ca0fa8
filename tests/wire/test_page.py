"""The talk page in a real browser: a recording for a microphone, and what is seen and heard."""

import json
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from playwright.async_api import Page, WebSocket, async_playwright

from tests.fakes.scripted import HANG, Listening, ScriptedLlm, ScriptedStt
from tests.needed import lacking
from tests.wire.conftest import Process
from tests.wire.rig import serving, wav
from voice_server.audio.format import STT_RATE_HZ
from voice_server.audio.wav import read_wav

ARTIFACTS = Path(__file__).parent.parent.parent / "artifacts"
MICROPHONE_RATE_HZ = 48_000
CUT_WITHIN_MS = 400
PAUSED_FOR_MS = 100
GONE_ON_WITHIN_MS = 200  # the delay of the audio device
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
WATCH = """
window.told = [];
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.blockedURI));
document.addEventListener("DOMContentLoaded", () => {
  const chat = document.querySelector("voice-chat");
  if (!chat) return; // another page
  for (const name of ["ready", "transcript", "reply", "interrupted", "metrics", "error"])
    chat.addEventListener(name, ({ detail }) =>
      window.told.push({ name, at_ms: performance.now(), ...structuredClone(detail) }));
});
"""


def quiet(seconds: float) -> bytes:
    return bytes(2 * int(seconds * STT_RATE_HZ))


def said(name: str) -> bytes:
    return read_wav(wav(name))[0]


@dataclass
class Browsed:
    """The page, and what the browser complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)

    def of_type(self, frame_type: str) -> list[dict[str, Any]]:
        """The frames of this type that went either way."""
        return [frame for frame in self.frames if frame["type"] == frame_type]

    def watch(self, socket: WebSocket) -> None:
        for direction in ("framesent", "framereceived"):
            socket.on(direction, self._keep)

    def _keep(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.frames.append(json.loads(message))

    async def told(self, name: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = await self.page.evaluate("window.told")
        return [event for event in events if event["name"] == name]

    async def until(self, condition: str) -> None:
        """Wait until this holds; `chat` is the element, `told` what it told."""
        await self.page.wait_for_function(
            "() => { const chat = document.querySelector('voice-chat'), told = window.told;"
            f" return {condition}; }}",
            timeout=40_000,
        )

    async def listen(self) -> None:
        """Switch the open microphone on."""
        await self.page.evaluate("document.querySelector('voice-chat').setAttribute('mode', 'open')")
        await self.page.locator("voice-chat .control").click()

    async def assert_undisturbed(self) -> None:
        assert await self.page.evaluate("window.violations") == []
        assert self.complaints == []


@asynccontextmanager
async def browsing(url: str, microphone: bytes, folder: Path) -> AsyncIterator[Browsed]:
    """The page at `url`, with PCM16 at 16 kHz for a microphone."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        lacking("there is no Chromium: apt-get install chromium")
    recording = folder / "microphone.wav"
    samples = np.frombuffer(microphone, "<i2")
    resampled = soxr.resample(samples, STT_RATE_HZ, MICROPHONE_RATE_HZ)
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, MICROPHONE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(resampled.astype("<i2").tobytes())
    heard_from = f"--use-file-for-fake-audio-capture={recording}%noloop"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, heard_from])
        try:
            page = await browser.new_page()
            browsed = Browsed(page)
            page.on("websocket", browsed.watch)
            page.on(
                "console",
                lambda line: browsed.complaints.append(line.text) if line.type == "error" else None,
            )
            page.on("pageerror", lambda error: browsed.complaints.append(str(error)))
            await page.add_init_script(WATCH)
            await page.goto(url)
            yield browsed
        finally:
            await browser.close()


async def test_a_spoken_question_is_seen_and_its_answer_heard(real_server: Process, tmp_path: Path) -> None:
    microphone = quiet(1) + said("france") + quiet(20)
    async with browsing(real_server.page_url, microphone, tmp_path) as browsed:
        assert browsed.page.url.startswith("http://localhost:")
        await browsed.listen()
        await browsed.until("told.some((one) => one.name === 'transcript' && one.final)")
        await browsed.until("chat.lastAudibleAt > 0 && chat.outputLevel > 0.005")
        await browsed.until("told.some((one) => one.name === 'metrics')")
        (transcript,) = [event for event in await browsed.told("transcript") if event["final"]]
        assert "france" in transcript["text"].lower()
        turns = await browsed.page.evaluate("document.querySelector('voice-chat').turns")
        log = await browsed.page.locator("voice-chat .log").inner_text()
        assert transcript["text"] in log
        assert turns[0]["reply"]
        assert " ".join(turns[0]["reply"].split()) in " ".join(log.split())
        ARTIFACTS.mkdir(exist_ok=True)
        await browsed.page.screenshot(path=ARTIFACTS / "talk-page.png")
        assert await browsed.told("error") == []
        await browsed.assert_undisturbed()


async def test_speaking_up_stops_the_sound(tmp_path: Path) -> None:
    """The scripted reply would go on for a minute; the next one never begins, so silence lasts."""
    long_reply = "And then another thing happened. " * 40
    stt = ScriptedStt([Listening(text="tell me a long story"), Listening(text="stop please")])
    llm = ScriptedLlm([[long_reply]], usual=lambda _: [HANG])
    microphone = quiet(1) + said("france") + quiet(4) + said("interruption") + quiet(20)
    async with (
        serving(stt=stt, llm=llm) as served,
        browsing(served.server.page_url, microphone, tmp_path) as browsed,
    ):
        await browsed.listen()
        await browsed.until("told.some((one) => one.name === 'reply')")
        await browsed.until("chat.outputLevel > 0.005")
        await browsed.until("told.some((one) => one.name === 'interrupted')")
        await browsed.page.wait_for_timeout(1_500)  # sound that went on would be noticed by now
        cut = (await browsed.told("interrupted"))[0]
        assert cut["cause"] == "speech"
        assert cut["heard_text"]
        assert long_reply.startswith(cut["heard_text"].strip())
        audible_at_ms = await browsed.page.evaluate("document.querySelector('voice-chat').lastAudibleAt")
        assert audible_at_ms > (await browsed.told("reply"))[0]["at_ms"]
        assert audible_at_ms < cut["at_ms"] + CUT_WITHIN_MS
        assert await browsed.page.evaluate("document.querySelector('voice-chat').outputLevel") == 0
        await browsed.assert_undisturbed()


async def test_a_voice_over_the_reply_pauses_it_until_it_is_cut(tmp_path: Path) -> None:
    """No words of it are known before it has ended, so it is weighed until patience ends."""
    stt = ScriptedStt([Listening(text="tell me a long story"), Listening(text="stop please")])
    llm = ScriptedLlm([["And then another thing happened. " * 40]], usual=lambda _: [HANG])
    microphone = quiet(1) + said("france") + quiet(4) + said("france") + quiet(20)
    async with (
        serving(stt=stt, llm=llm) as served,
        browsing(served.server.page_url, microphone, tmp_path) as browsed,
    ):
        await browsed.listen()
        await browsed.until("told.some((one) => one.name === 'interrupted')")
        cut = (await browsed.told("interrupted"))[0]
        silent_ms = cut["at_ms"] - await browsed.page.evaluate(
            "document.querySelector('voice-chat').lastAudibleAt"
        )
        assert silent_ms > PAUSED_FOR_MS
        assert [frame["active"] for frame in browsed.of_type("overlap")] == [True]
        paused = [frame for frame in browsed.of_type("playback") if frame.get("paused")]
        assert cut["heard_ms"] == paused[-1]["played_ms"] > 0
        await browsed.assert_undisturbed()


async def test_after_a_nod_the_reply_goes_on_where_it_was(tmp_path: Path) -> None:
    reply = "And then another thing happened. " * 7
    stt = ScriptedStt(
        [Listening(text="tell me a story"), Listening(text="Right.")],
        partial_every_ms=200,
        usual=Listening(""),
    )
    microphone = quiet(1) + said("france") + quiet(4) + said("name") + quiet(20)
    async with (
        serving(stt=stt, llm=ScriptedLlm([[reply]])) as served,
        browsing(served.server.page_url, microphone, tmp_path) as browsed,
    ):
        await browsed.listen()
        await browsed.until("chat.outputLevel > 0.005")
        await browsed.until("chat.state === 'speaking' && chat.outputLevel === 0")
        await browsed.until("chat.outputLevel > 0.005")
        await browsed.until("chat.state === 'listening' && chat.outputLevel === 0")
        assert [frame["active"] for frame in browsed.of_type("overlap")] == [True, False]
        assert await browsed.told("interrupted") == []
        told = browsed.of_type("playback")
        places = [place for place, frame in enumerate(told) if frame.get("paused")]
        held, gone_on = told[places[0]], told[places[-1] + 1]
        assert {told[place]["played_ms"] for place in places} == {held["played_ms"]}
        assert abs(gone_on["played_ms"] - held["played_ms"]) < GONE_ON_WITHIN_MS
        (end,) = browsed.of_type("audio_stream_end")[-1:]
        assert end["reason"] == "completed"
        assert abs(told[-1]["played_ms"] - end["duration_ms"]) <= 1
        await browsed.assert_undisturbed()


async def test_a_typed_message_is_answered_in_the_page(tmp_path: Path) -> None:
    async with (
        serving() as served,
        browsing(served.server.page_url, quiet(2), tmp_path) as browsed,
    ):
        await browsed.page.locator("voice-chat #text").fill("Hello there")
        await browsed.page.locator("voice-chat .composer button").click()
        await browsed.until("told.some((one) => one.name === 'metrics')")
        log = await browsed.page.locator("voice-chat .log").inner_text()
        assert "You said: Hello there" in log
        await browsed.assert_undisturbed()


async def test_the_documentation_works_in_a_browser(tmp_path: Path) -> None:
    async with (
        serving() as served,
        browsing(served.server.page_url, quiet(1), tmp_path) as browsed,
    ):
        asked: list[str] = []
        browsed.page.on("request", lambda request: asked.append(request.url))
        await browsed.page.goto(served.server.page_url + "docs")
        await browsed.page.locator("[data-path='/api/health']").wait_for(timeout=20_000)
        assert all(url.startswith((served.server.page_url, "data:")) for url in asked)
        await browsed.assert_undisturbed()
