"""Every way in which a stage may fail, with another provider behind it and without: what the caller notices.

Whole spoken turns through a server in this process; the vendors' SDKs speak with fakes on loopback. OpenAI
is the one that fails, in one stage at a time; ElevenLabs and Anthropic serve the others, and stand behind it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.wire.contract.case import unused_port
from tests.wire.rig import KEY, PATIENCE_S, wav
from voice_server import app as wiring
from voice_server.audio.format import duration_ms
from voice_server.client import VoiceClient
from voice_server.client.frames import AiResponse, AudioChunk, Error, Metrics
from voice_server.fakes.anthropic import FakeAnthropic
from voice_server.fakes.elevenlabs import FakeElevenLabs
from voice_server.fakes.openai import FakeOpenAi
from voice_server.fakes.script import Fault, Script
from voice_server.settings import load_settings

STAGES = ("stt", "llm", "tts")
WORDS = ("It is almost noon. ", "The sun is ", "high. ", "Have lunch.")
SENTENCES = ("It is almost noon.", "The sun is high.", "Have lunch.")
RATE_HZ = 24_000
BEHIND = {"stt": "elevenlabs", "llm": "anthropic", "tts": "elevenlabs"}
PATIENCE = {
    # What has nobody behind it is waited for a little longer than a caller is left in silence.
    "deadlines.stt_final_s": 3.4,
    "deadlines.llm_first_token_s": 4.0,
    "deadlines.llm_gap_s": 4.0,
    "deadlines.tts_first_audio_s": 4.0,
    "deadlines.tts_gap_s": 4.0,
    "resilience.breaker_failures": 1000,  # each fault is looked at alone
}


@dataclass(frozen=True, slots=True)
class Row:
    """One turn. `silent_ms`: the longest time without sound, or an error frame, while it lasted."""

    stage: str
    fault: Fault
    fallback: bool
    silent_ms: float
    errors: tuple[str, ...]
    reply: str
    audio: bytes
    served_by: str

    @property
    def outcome(self) -> str:
        """In a few words."""
        if self.errors:
            return f"{', '.join(self.errors)}; {'heard' if self.audio else 'silent'}"
        return f"answered by {self.served_by}"


async def every_fault(stages: Sequence[str] = STAGES, fallbacks: Sequence[bool] = (True, False)) -> list[Row]:
    """All of them: the servers side by side, the faults of each one after the other."""
    starting = asyncio.Lock()  # migrations are made one after the other
    kinds = [(stage, fallback) for stage in stages for fallback in fallbacks]
    rows = await asyncio.gather(*(faults_of(stage, fallback, starting) for stage, fallback in kinds))
    return [row for group in rows for row in group]


async def faults_of(stage: str, fallback: bool, starting: asyncio.Lock) -> list[Row]:
    """Every fault of one stage."""
    script = Script(WORDS)
    # A rate limit last: the vendor asks to be left alone, and it is.
    told = [one for one in Fault if one not in (Fault.REFUSED, Fault.RATE_LIMITED)] + [Fault.RATE_LIMITED]
    async with server(stage, fallback, script, starting) as (url, fake):
        rows = []
        for fault in told:
            calls, script.fault = len(fake.seen.calls), fault
            rows.append(await turn(url, stage, fault, fallback, script))
            assert len(fake.seen.calls) > calls, f"{stage} was not asked"
    async with server(stage, fallback, None, starting) as (url, _):
        rows.append(await turn(url, stage, Fault.REFUSED, fallback, script))
    return rows


@asynccontextmanager
async def server(
    stage: str, fallback: bool, script: Script | None, starting: asyncio.Lock
) -> AsyncIterator[tuple[str, FakeOpenAi]]:
    """A server's address, and the fake; nobody listens where OpenAI should be if there is no `script`."""
    async with (
        FakeOpenAi(script or Script()) as openai,
        FakeElevenLabs(Script(WORDS)) as elevenlabs,
        FakeAnthropic(Script(WORDS)) as anthropic,
    ):
        chains = {
            one: [BEHIND[one]] if one != stage else ["openai", *([BEHIND[one]] if fallback else [])]
            for one in STAGES
        }
        address = openai.address if script is not None else f"127.0.0.1:{unused_port()}"
        vendors = {
            "openai.base_url": f"http://{address}/v1",
            "openai.stt_transport": "realtime",
            "elevenlabs.base_url": f"http://{elevenlabs.address}",
            "anthropic.base_url": f"http://{anthropic.address}",
            **{f"{vendor}.api_key": KEY for vendor in ("openai", "elevenlabs", "anthropic")},
        }
        free = {"port": 0, "rest_port": 0, "database_url": "sqlite://"}
        settings = load_settings(
            None, {**free, **chains, **PATIENCE, **{f"vendors.{k}": v for k, v in vendors.items()}}
        )
        catalogue = wiring.load_catalogue(settings)
        served = wiring.VoiceServer(settings, catalogue, wiring.default_choice(settings, catalogue))
        async with AsyncExitStack() as stack:
            async with starting:
                await stack.enter_async_context(served.running())
            await served.prepared.wait()
            yield f"ws://127.0.0.1:{served.port}/", openai
        for fake in (openai, elevenlabs, anthropic):
            await fake.until_left()


async def turn(url: str, stage: str, fault: Fault, fallback: bool, script: Script) -> Row:
    """One question, and what comes of it."""
    loop = asyncio.get_running_loop()
    output = {"format": "pcm16", "sample_rate": RATE_HZ}
    async with VoiceClient.connect(url, output_audio=output) as client:
        await client.send_clip(wav("france"))
        heard_until_s = loop.time()
        longest_s, errors, audio, reply = 0.0, list[str](), b"", ""

        async with asyncio.timeout(PATIENCE_S):
            async for frame in client:
                if isinstance(frame, AudioChunk | Error | Metrics):
                    longest_s = max(longest_s, loop.time() - heard_until_s)
                match frame:
                    case AudioChunk():
                        audio += frame.data
                        sound_s = duration_ms(len(frame.data), RATE_HZ) / 1000
                        heard_until_s = max(heard_until_s, loop.time()) + sound_s
                    case Error() if frame.code != "not_saved":  # a busy disk is not what is looked at
                        errors.append(frame.code)
                        heard_until_s = max(heard_until_s, loop.time())
                    case AiResponse():
                        reply = frame.text
                    case Metrics():
                        served_by = frame.providers.get(stage, "").split("/")[0]
                        break
                    case _:
                        pass
        script.fault = None
        await client.send_text("And now?")  # the session lives on, whatever came of the turn
        await client.turn(timeout_s=PATIENCE_S)
    return Row(stage, fault, fallback, longest_s * 1000, tuple(errors), reply, audio, served_by)
