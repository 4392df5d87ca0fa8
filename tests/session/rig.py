"""One caller and the server's side of the call, in virtual time."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tests.fakes.journal import MemoryJournal
from tests.fakes.scripted import TONE_VOICE, ScriptedLlm, ScriptedStt, ScriptedTts, ScriptedVad
from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms, duration_ms
from voice_server.clock import LoopClock
from voice_server.core import wire
from voice_server.core.caller import Caller, Tier
from voice_server.core.pauses import Habits
from voice_server.core.policy import TurnPolicy
from voice_server.core.replay import first_difference
from voice_server.core.tape import read
from voice_server.fakes.spoken import quiet, speak
from voice_server.ids import ConversationId, new_session_id
from voice_server.ops.recorder import Recorder, RecorderLimits
from voice_server.providers.resilient.chains import llm_chains, stt_chains, tts_chains
from voice_server.providers.resilient.phrases import Phrases
from voice_server.providers.resilient.policy import Policy
from voice_server.services.habits import CallerHabits
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.ears import Score
from voice_server.session.equipment import Equipment
from voice_server.session.limits import Deadlines, SessionLimits
from voice_server.session.prompts import Templates
from voice_server.session.registry import SessionRegistry
from voice_server.session.session import Session
from voice_server.session.shared_vad import SharedVad
from voice_server.tools.box import ToolBox

FRAME_MS = 20
VAD = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=wire.TurnMode.VAD))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller was told, and when: milliseconds since the call began."""

    at_ms: float
    seq: int
    output: wire.Output


class Line:
    """A connection: reads the outbox as long as it is up."""

    def __init__(self, session: Session, began_ms: float) -> None:
        self.told: list[Told] = []
        self.closed: list[tuple[int, str]] = []
        self._session = session
        self._began_ms = began_ms
        self._clock = LoopClock()
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def close_soon(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        self.cut()

    def start(self) -> None:
        self._task = asyncio.create_task(self._read())

    def cut(self) -> None:
        """The connection is gone; the session has not noticed yet."""
        if self._task is not None:
            self._task.cancel()

    async def _read(self) -> None:
        outbox = self._session.outbox
        while batch := await outbox.take():
            for one in batch:
                self.told.append(Told(self._clock.now() - self._began_ms, one.seq, one.output))
                outbox.sent(one.seq)
            self._news.set()

    async def news(self) -> None:
        self._news.clear()
        await self._news.wait()


@dataclass(slots=True)
class Call:
    """A session as its caller has it."""

    session: Session
    line: Line
    stt: ScriptedStt
    llm: ScriptedLlm
    tts: ScriptedTts
    journal: MemoryJournal
    registry: SessionRegistry
    clock: LoopClock
    began_ms: float
    lines: list[Line] = field(default_factory=list)

    # ── What the caller does ─────────────────────────────────────────────────────────────────────

    @property
    def now_ms(self) -> float:
        return self.clock.now() - self.began_ms

    async def send(self, *inputs: wire.Input) -> None:
        for one in inputs:
            await self.session.receive(one)

    async def stream(self, pcm: bytes, frame_ms: float = FRAME_MS) -> None:
        """Send audio in real time, each frame when it is over."""
        step = bytes_of_ms(frame_ms, STT_RATE_HZ)
        for start in range(0, len(pcm), step):
            frame = pcm[start : start + step]
            await asyncio.sleep(duration_ms(len(frame), STT_RATE_HZ) / 1000)
            await self.session.receive(wire.AudioIn(frame))

    async def say(self, text: str, then_quiet_ms: float = 1_000) -> float:
        """Speak, then be quiet; gives when the voice ended."""
        await self.stream(speak(text))
        ended_ms = self.now_ms
        await self.stream(quiet(then_quiet_ms))
        return ended_ms

    async def pass_ms(self, milliseconds: float) -> None:
        await asyncio.sleep(milliseconds / 1000)

    def drop(self) -> None:
        """The connection breaks and the server notices."""
        self.line.cut()
        self.session.detach(self.line)

    def call_again(self, last_seq: int, token: str | None = None) -> bool:
        """Another connection wants to go on with the session."""
        wish = wire.Resume(self.session.id, token or self.session.resume_token, last_seq)
        line = Line(self.session, self.began_ms)
        if self.registry.resume(self.session.caller, wish, line) is None:
            return False
        self.lines.append(self.line)
        self.line = line
        line.start()
        return True

    # ── What the caller was told ─────────────────────────────────────────────────────────────────

    @property
    def told(self) -> list[Told]:
        return self.line.told

    @property
    def outputs(self) -> list[wire.Output]:
        return [one.output for one in self.told]

    def all(self, kind: type[T]) -> list[T]:
        return [one.output for one in self.told if isinstance(one.output, kind)]

    def one(self, kind: type[T]) -> T:
        (output,) = self.all(kind)
        return output

    def when(self, kind: type[Any], index: int = 0) -> float:
        """When the caller was told, in ms of the call."""
        return [one.at_ms for one in self.told if isinstance(one.output, kind)][index]

    async def until(self, kind: type[T], count: int = 1, where: Callable[[T], bool] | None = None) -> T:
        """Wait until so many of a kind were told; gives the last of them."""
        while True:
            found = [one for one in self.all(kind) if where is None or where(one)]
            if len(found) >= count:
                return found[count - 1]
            await self.line.news()

    @property
    def history(self) -> list[tuple[str, str]]:
        return self.journal.said(self.session.conversation_id)


def wav(pcm: bytes) -> bytes:
    """A whole file of PCM16 mono at 16 kHz."""
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setparams((1, 2, STT_RATE_HZ, 0, "NONE", "NONE"))
            writer.writeframes(pcm)
        return file.getvalue()


class Quiet:
    """A caller's line that nobody reads from yet."""

    def close_soon(self, code: int, reason: str) -> None: ...


@dataclass(slots=True)
class House:
    """A server's shared equipment, of scripted parts."""

    stt: ScriptedStt = field(default_factory=ScriptedStt)
    llm: ScriptedLlm = field(default_factory=ScriptedLlm)
    tts: ScriptedTts = field(default_factory=ScriptedTts)
    score: Score | None = None
    limits: SessionLimits = SessionLimits()
    deadlines: Deadlines = Deadlines()
    strict: bool = False
    turns: TurnPolicy = TurnPolicy()
    more_stts: Sequence[ScriptedStt] = ()
    more_llms: Sequence[ScriptedLlm] = ()
    more_ttss: Sequence[ScriptedTts] = ()
    policy: Policy = Policy(retries=0)
    most_calls: Mapping[str, int] = field(default_factory=dict)
    phrases: Phrases | None = None
    detectable: tuple[str, ...] = ()
    tools: ToolBox = field(default_factory=ToolBox)
    templates: Templates | None = None
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    habits: Habits = field(default_factory=lambda: CallerHabits(100))
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    recorder_limits: RecorderLimits = RecorderLimits()
    recorder: Recorder | None = None

    def registry(self) -> SessionRegistry:
        most_calls = self.most_calls.get
        stt = stt_chains([self.stt, *self.more_stts], self.policy, most_calls)
        llm = llm_chains([self.llm, *self.more_llms], self.policy, most_calls)
        tts = tts_chains([self.tts, *self.more_ttss], self.policy, most_calls, self.phrases or Phrases())
        catalogue = Catalogue(stt, llm, tts, self.strict, self.detectable)
        default = Choice(stt[0], llm[0], tts[0], TONE_VOICE, "en-US", "Be brief.", policy=self.turns)
        clock = LoopClock()
        return SessionRegistry(
            Equipment(
                catalogue,
                default,
                SharedVad(ScriptedVad()),
                self.score,
                self.journal,
                self.habits,
                clock,
                self.workers,
                self.limits,
                self.deadlines,
                self.phrases,
                templates=self.templates,
                tools=self.tools,
                recorder=self.recorder,
            ),
            per_owner=dict.fromkeys(Tier, 10),
        )

    async def call(
        self,
        registry: SessionRegistry,
        init: wire.Init,
        *,
        is_paced: bool = True,
        caller: Caller | None = None,
    ) -> Call:
        clock = LoopClock()
        began_ms = clock.now()
        quiet_line = Quiet()
        session = await registry.open(
            new_session_id(), caller or Caller(), init, quiet_line, is_paced=is_paced
        )
        line = Line(session, began_ms)
        session.attach(line)
        line.start()
        return Call(session, line, self.stt, self.llm, self.tts, self.journal, registry, clock, began_ms)

    def knows(self, conversation_id: str, owner: str = "local") -> None:
        """There is such a conversation already."""
        self.journal.owners[ConversationId(conversation_id)] = owner
        self.journal.kept[ConversationId(conversation_id)] = {}


@asynccontextmanager
async def calling(
    house: House | None = None,
    changes: wire.Changes = VAD,
    *,
    greeting: str | None = None,
    conversation_id: str | None = None,
    is_paced: bool = True,
    opens_stream: bool = True,
    caller: Caller | None = None,
    recorded_in: Path | None = None,
) -> AsyncIterator[Call]:
    """A call, its microphone open, that is over at the end. Replayed, it must decide the same again."""
    house = house or House()
    with recording(house, recorded_in):
        async with _calling(
            house, changes, greeting, conversation_id, is_paced, opens_stream, caller
        ) as call:
            yield call


@contextmanager
def recording(house: House, kept_in: Path | None) -> Iterator[None]:
    """Every session of this house is recorded, and replayed in the end."""
    with TemporaryDirectory() as temporary:
        folder = kept_in or Path(temporary)
        house.recorder = Recorder(folder, house.recorder_limits, LoopClock())
        house.recorder.start()
        yield
        house.recorder.close()
        files = list(folder.iterdir())
        assert files
        for file in files:
            with file.open("rb") as lines:
                assert first_difference(read(lines)) is None


@asynccontextmanager
async def _calling(
    house: House,
    changes: wire.Changes,
    greeting: str | None,
    conversation_id: str | None,
    is_paced: bool,
    opens_stream: bool,
    caller: Caller | None,
) -> AsyncIterator[Call]:
    registry = house.registry()
    init = wire.Init(conversation_id=conversation_id, changes=changes, greeting=greeting)
    call = await house.call(registry, init, is_paced=is_paced, caller=caller)
    try:
        if opens_stream:
            await call.send(wire.StreamStart())
        yield call
    finally:
        await registry.drain(0)
        call.line.cut()
        house.workers.shutdown()
