"""A scripted caller before real ears, in virtual time.

Voice activity, end of turn and recognition are the real models on real recordings; their computing takes no
virtual time, so a recognition is given `STT_S` and a judgement `SCORE_S`, about what they take on two
cores. The model's words and the voice's audio are recorded too, and come after fixed delays. So a case is
exact and repeatable, however busy the machine.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.conversation.cases import Case, Kind, Listen, Quiet, Room, Say
from tests.fakes.journal import MemoryJournal
from tests.fakes.scripted import ScriptedLlm
from tests.session.rig import Line
from voice_server.audio.clip import decode_clip
from voice_server.audio.end_of_turn import SmartTurn
from voice_server.audio.format import STT_RATE_HZ, OutputEncoding, OutputFormat, bytes_of_ms
from voice_server.audio.suppress import open_rnnoise
from voice_server.audio.voice_activity import SileroVad
from voice_server.clock import LoopClock
from voice_server.core import wire
from voice_server.core.caller import Caller
from voice_server.core.phrases import words_of
from voice_server.core.policy import TurnPolicy
from voice_server.ids import new_session_id
from voice_server.providers.base import (
    AudioChunk,
    SttCapabilities,
    SttHints,
    Transcript,
    TtsCapabilities,
    Voice,
)
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.local.whisper import WhisperTranscriber
from voice_server.providers.segmented import SegmentedSpeechToText
from voice_server.services.habits import CallerHabits
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.equipment import Equipment
from voice_server.session.registry import SessionRegistry
from voice_server.session.shared_vad import SharedVad

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
STT_S, SCORE_S, LLM_S, TTS_S = 0.25, 0.03, 0.30, 0.10
FRAME_MS = 20.0
FRAME_SAMPLES = int(STT_RATE_HZ * FRAME_MS / 1000)
AUDIBLE = 300  # of 32768
LONGEST_LISTENING_MS = 20_000.0
JOE = Voice("joe", "recorded", "Joe", "male", ("en-US",))
REPLY: dict[str, str] = json.loads((HERE / "lines.json").read_text("utf-8"))["reply"]["lines"]

Samples = NDArray[np.float32]


@cache
def recording(name: str) -> bytes:
    """PCM16 mono at 16 kHz."""
    path = DATA / f"{name}.wav"
    return decode_clip((path if path.exists() else HERE / "audio" / f"{name}.ogg").read_bytes(), None, 60)


# ── The models ───────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Models:
    """The real ears, loaded once for all cases."""

    vad: SileroVad
    turn: SmartTurn
    whisper: WhisperTranscriber
    pool: ThreadPoolExecutor


@contextmanager
def models() -> Iterator[Models]:
    weights = WeightStore()
    with ThreadPoolExecutor(1) as pool:
        vad, turn = SileroVad(weights.path("silero-vad")), SmartTurn(weights.path("smart-turn"))
        yield Models(vad, turn, WhisperTranscriber(weights, 2), pool)


class TimedTranscriber:
    """Whisper, one call at a time, each of which takes `STT_S` of virtual time."""

    name, title = "local", "Whisper"
    capabilities = SttCapabilities(languages=("en",))

    def __init__(self, models: Models) -> None:
        self._models = models
        self._turn = asyncio.Lock()

    async def warm(self) -> None: ...

    async def close(self) -> None: ...

    async def transcribe(self, pcm: bytes, hints: SttHints, *, urgent: bool = True) -> Transcript:
        async with self._turn:
            await asyncio.sleep(STT_S)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._models.pool, self._models.whisper._transcribe, pcm)


class RecordedTts:
    """Each line of the reply as it was recorded; anything else is a second of silence."""

    name, title = "recorded", "Recorded"
    capabilities = TtsCapabilities((JOE,), STT_RATE_HZ)

    async def warm(self) -> None: ...

    async def close(self) -> None: ...

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        names = {line: name for name, line in REPLY.items()}
        piece = 0
        async for line in text:
            await asyncio.sleep(TTS_S)
            silence = bytes(bytes_of_ms(1_000, STT_RATE_HZ))
            yield AudioChunk(recording(names[line]) if line in names else silence, piece, ends_piece=True)
            piece += 1


# ── The caller ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Voiced:
    """When a recording was played, from its first to its last voiced sample."""

    began_ms: float
    ended_ms: float


@dataclass(slots=True)
class Outcome:
    """What came of a case; times in ms of the call."""

    case: Case
    voiced: list[Voiced] = field(default_factory=list)
    turns: list[tuple[float, str]] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)
    audio: list[float] = field(default_factory=list)
    first_audio: list[float] = field(default_factory=list)  # of each turn
    metrics: list[wire.Metrics] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether just the turns came that had to, and just the cuts."""
        wanted = self.case.turns
        if len(self.turns) != len(wanted) or len(self.cuts) != self.wanted_cuts:
            return False
        said = [" ".join(words_of(text)) for _, text in self.turns]
        return all(
            any(word in text for word in words.split("|")) for words, text in zip(wanted, said, strict=True)
        )

    @property
    def wanted_cuts(self) -> int:
        return 1 if self.case.kind is Kind.INTERRUPTION else 0

    @property
    def takeover_ms(self) -> float | None:
        """From the last voiced sample to the beginning of the last turn."""
        return self.turns[-1][0] - self.voiced[-1].ended_ms if self.turns and self.voiced else None

    @property
    def response_ms(self) -> float | None:
        """From the last voiced sample to the first sound of the answer."""
        is_answered = self.voiced and self.first_audio and self.first_audio[-1] > self.voiced[-1].ended_ms
        return self.first_audio[-1] - self.voiced[-1].ended_ms if is_answered else None

    @property
    def hold_ms(self) -> float | None:
        """From the first voiced sample over a reply until the last of that reply is sent."""
        before = [moment for moment in self.audio if self.cuts and moment <= self.cuts[0]]
        if not before:
            return None
        last_ms = before[-1]
        return max(last_ms - self.voiced[-1].began_ms, 0.0)

    @property
    def cut_ms(self) -> float | None:
        """From the first voiced sample over a reply until the caller is told that it is cut."""
        return self.cuts[0] - self.voiced[-1].began_ms if self.cuts else None


class ScriptedCaller:
    """One call; `play` it once."""

    def __init__(self, case: Case, models: Models, *, is_suppressing: bool = False) -> None:
        self._case = case
        self._outcome = Outcome(case)
        self._clock = LoopClock()
        self._began_ms = self._clock.now()
        self._noise = np.random.default_rng(7)
        self._frames = 0
        self._heard: list[Samples] = []  # our own voice, frame by frame, as the loudspeaker plays it
        self._taken = 0  # of what was told
        self._reply_pcm = bytearray()
        stt = SegmentedSpeechToText(TimedTranscriber(models))
        llm = ScriptedLlm(usual=lambda _: [LLM_S, " ".join(REPLY.values())])
        tts = RecordedTts()
        policy = TurnPolicy(early_starts=2)
        output = OutputFormat(OutputEncoding.PCM16, STT_RATE_HZ)
        default = Choice(stt, llm, tts, JOE, "en-US", "Be brief.", policy=policy, output=output)

        async def score(pcm: bytes) -> float:
            await asyncio.sleep(SCORE_S)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(models.pool, models.turn.probability, pcm)

        equipment = Equipment(
            Catalogue([stt], [llm], [tts]),
            default,
            SharedVad(models.vad),
            score,
            MemoryJournal(),
            CallerHabits(10),
            self._clock,
            models.pool,
            suppress=open_rnnoise() if is_suppressing else None,
        )
        self._registry = SessionRegistry(equipment, per_owner={})

    async def play(self) -> Outcome:
        quiet_line = _NobodyYet()
        self._session = await self._registry.open(new_session_id(), Caller(), wire.Init(), quiet_line)
        self._line = Line(self._session, self._began_ms)
        self._session.attach(self._line)
        self._line.start()
        try:
            await self._session.receive(wire.StreamStart())
            for step in self._case.steps:
                match step:
                    case Say(clip, gain_db):
                        await self._say(recording(clip), gain_db)
                    case Quiet(duration_ms):
                        await self._quiet(duration_ms)
                    case Listen(heard_ms):
                        await self._listen(heard_ms)
            self._take_in()
        finally:
            await self._registry.drain(0)
            self._line.cut()
        return self._outcome

    @property
    def _now_ms(self) -> float:
        return self._clock.now() - self._began_ms

    async def _say(self, pcm: bytes, gain_db: float) -> None:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        loud = np.flatnonzero(np.abs(samples) > AUDIBLE) * 1000 / STT_RATE_HZ
        self._outcome.voiced.append(Voiced(self._now_ms + loud[0], self._now_ms + loud[-1]))
        samples = np.pad(samples * 10 ** (gain_db / 20), (0, -samples.size % FRAME_SAMPLES))
        for frame in samples.reshape(-1, FRAME_SAMPLES):
            await self._send(frame)

    async def _quiet(self, duration_ms: float) -> None:
        for _ in range(int(duration_ms / FRAME_MS)):
            await self._send(np.zeros(FRAME_SAMPLES, np.float32))

    async def _listen(self, heard_ms: float) -> None:
        began_ms, count = self._now_ms, len(self._outcome.turns)
        while self._now_ms - began_ms < LONGEST_LISTENING_MS:
            first = self._outcome.first_audio
            is_answering = len(first) > count or (first and first[-1] > began_ms)
            if is_answering and self._now_ms - first[-1] >= heard_ms:
                return
            await self._quiet(FRAME_MS)

    async def _send(self, frame: Samples) -> None:
        await asyncio.sleep(FRAME_MS / 1000)
        self._take_in()
        heard = frame + self._room_sound(self._case.room)
        self._frames += 1
        await self._session.receive(wire.AudioIn(np.clip(heard, -32768, 32767).astype("<i2").tobytes()))

    def _room_sound(self, room: Room) -> Samples:
        start_s = self._frames * FRAME_MS / 1000
        sound = np.zeros(FRAME_SAMPLES, np.float32)
        if room.noise_dbfs is not None:
            level = 32768 * 10 ** (room.noise_dbfs / 20)
            if room.is_hum:
                times = start_s + np.arange(FRAME_SAMPLES) / STT_RATE_HZ
                wave = np.sin(2 * np.pi * 50 * times) + 0.5 * np.sin(2 * np.pi * 150 * times)
                sound += (level * wave).astype(np.float32)
            else:
                sound += self._noise.normal(0, level, FRAME_SAMPLES).astype(np.float32)
        if room.clicks_every_ms is not None and self._frames % int(room.clicks_every_ms / FRAME_MS) == 0:
            click = self._noise.normal(0, 6_000, 160) * np.exp(-np.arange(160) / 30)
            sound[:160] += click.astype(np.float32)
        played = self._next_played()
        if room.echo_db is not None:
            self._heard.append(played)
            sound += self._echo(room) * np.float32(10 ** (room.echo_db / 20))
        return sound

    def _echo(self, room: Room) -> Samples:
        """What comes back of what the loudspeaker has played, as loud as that."""
        end = len(self._heard) - int(room.echo_after_ms / FRAME_MS)
        if end <= 0:
            return np.zeros(FRAME_SAMPLES, np.float32)
        response = _reverberation(room.reverberation_ms)
        frames = self._heard[max(end - 1 - len(response) // FRAME_SAMPLES, 0) : end]
        played = np.concatenate(frames)
        echo = np.convolve(played, response)[: played.size]
        return np.asarray(echo[-FRAME_SAMPLES:], np.float32)

    def _next_played(self) -> Samples:
        """What the loudspeaker plays in this frame."""
        frame = bytes(self._reply_pcm[: FRAME_SAMPLES * 2])
        del self._reply_pcm[: FRAME_SAMPLES * 2]
        return np.frombuffer(frame.ljust(FRAME_SAMPLES * 2, b"\0"), "<i2").astype(np.float32)

    def _take_in(self) -> None:
        """What the caller has been told since the last look."""
        outcome = self._outcome
        for told in self._line.told[self._taken :]:
            match told.output:
                case wire.TranscriptionOut(text=text):
                    outcome.turns.append((told.at_ms, text))
                case wire.Interrupted():
                    outcome.cuts.append(told.at_ms)
                    self._reply_pcm.clear()
                case wire.AudioStart():
                    outcome.first_audio.append(told.at_ms)
                case wire.AudioOut(data=data):
                    self._reply_pcm += data
                    outcome.audio.append(told.at_ms)
                case wire.Metrics():
                    outcome.metrics.append(told.output)
                case _:
                    pass
        self._taken = len(self._line.told)


@cache
def _reverberation(length_ms: float) -> Samples:
    """The response of a room in which sound dies away within so long, with the power of the sound alone."""
    count = int(STT_RATE_HZ * length_ms / 1000) // FRAME_SAMPLES * FRAME_SAMPLES + 1
    fading = np.exp(-6.9 * np.arange(count) / count)
    response = np.random.default_rng(3).normal(0, 0.05, count) * fading
    response[0] = 1.0
    return np.asarray(response / np.sqrt((response**2).sum()), np.float32)


class _NobodyYet:
    def close_soon(self, code: int, reason: str) -> None: ...


async def play(case: Case, models: Models, *, is_suppressing: bool = False) -> Outcome:
    """Play a case; in a loop of virtual time."""
    return await ScriptedCaller(case, models, is_suppressing=is_suppressing).play()
