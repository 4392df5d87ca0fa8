"""Callers in numbers: many real-time conversations with one server, from one asyncio process.

It speaks WebSocket itself, with every frame masked once and sent again and again, so that a frame costs a few
microseconds here: what is measured is the server, not its caller.
"""

import asyncio
import base64
import os
import random
import time
import wave
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import cast

from voice_server.bench import frames, work
from voice_server.bench.usage import usage_of
from voice_server.bench.wires import Heard, Mode, Wire

_BUCKETS = 10  # the callers are spread over the 20 ms of a frame
_REST_S = 0.5
_BARGE_AFTER_S = 0.6
_LOST_AFTER_S = 10.0
_LET_IN_S = 20.0
_LONGEST_REPLY_S = 60.0
_DONE = 1000


@dataclass(frozen=True, slots=True)
class Load:
    """How many callers, and for how long. `room_dbfs`: the noise where they are when they say nothing."""

    callers: int
    mode: Mode
    quiet_s: float = 3.0
    talking_s: float = 15.0
    barges_in: bool = False
    room_dbfs: float | None = -50.0


@dataclass(slots=True)
class Tally:
    """What the callers noticed, in milliseconds."""

    first_audio: list[float] = field(default_factory=list)
    interrupted: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    lost: int = 0
    early: int = 0
    uninterrupted: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a load. `lost_turns`: no sound within 10 s, or a caller who was cut off or not let in."""

    callers: int
    turns: int
    lost_turns: int
    early_replies: int
    first_audio_p50_ms: float | None
    first_audio_p95_ms: float | None
    first_audio_p99_ms: float | None
    barge_in_p50_ms: float | None
    barge_in_p95_ms: float | None
    barge_ins_missed: int
    cpu_ms_per_session_second: float
    quiet_cpu_ms_per_session_second: float
    core_percent: float
    mb_per_session: float
    client_lag_p99_ms: float | None


class _State(Enum):
    RESTING = auto()
    SPEAKING = auto()
    LISTENING = auto()


class Caller(asyncio.Protocol):
    """One conversation: asks, hears the answer out, rests, asks again. Its microphone is always open."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._is_open = False
        self.is_closed = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._state = _State.RESTING
        self.rest_frames = 0
        self._at_frame = 0
        self._is_barging = False
        self._asked_s = self._first_s = 0.0
        self._barged_s: float | None = None
        self._heard_bytes = 0
        self._is_whole = False

    # ── The wire ─────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast(asyncio.Transport, transport)  # uvloop's has another ancestry
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the server closed before it was ready"))

    def data_received(self, data: bytes) -> None:
        unread = self._unread
        unread += data
        if not self._is_open and not self._opened():
            return
        at = 0
        while (frame := frames.frame_at(unread, at)) is not None:
            opcode, begin, at = frame
            if opcode == frames.BINARY:
                self._hear(Heard.AUDIO, at - begin)
            elif opcode == frames.TEXT:
                self._read(unread[begin:at].decode())
            elif opcode == frames.PING:
                self._write(frames.frame(frames.PONG, bytes(unread[begin:at])))
            elif opcode == frames.CLOSE:
                self.close()
        del unread[:at]

    def _read(self, text: str) -> None:
        wire = self._crowd.wire
        what = wire.meaning(text)
        if what is Heard.TIMINGS:
            for stage, took_ms in wire.timings(text).items():
                self._crowd.tally.stages.setdefault(stage, []).append(took_ms)
        self._hear(what, 0)

    def _opened(self) -> bool:
        end = self._unread.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._unread.startswith(b"HTTP/1.1 101"):
            if not self.ready.done():  # its body may come later
                self.ready.set_exception(ConnectionError(bytes(self._unread[:end]).decode()))
            return False
        del self._unread[: end + 4]
        self._is_open = True
        self._say(self._crowd.wire.hello(self._crowd.load.mode))
        return True

    def _say(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._write(frames.frame(frames.TEXT, text.encode()))

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    def close(self) -> None:
        """Hang up, with a good-bye: a server may keep a session for who comes back."""
        if self._transport is not None and not self._transport.is_closing():
            self._write(frames.frame(frames.CLOSE, _DONE.to_bytes(2, "big")))
            self._transport.close()

    # ── The conversation ─────────────────────────────────────────────────────────────────────────

    def _hear(self, what: Heard, size_bytes: int) -> None:
        now_s, tally = time.perf_counter(), self._crowd.tally
        match what:
            case Heard.AUDIO if self._state is _State.LISTENING:
                if not self._heard_bytes:
                    self._first_s = now_s
                self._heard_bytes += size_bytes
            case Heard.AUDIO if self._state is _State.SPEAKING and not self._is_barging:
                tally.early += 1
            case Heard.WHOLE if self._state is _State.LISTENING and self._heard_bytes:
                self._is_whole = True
            case Heard.INTERRUPTED if self._barged_s is not None:
                tally.interrupted.append(1000 * (now_s - self._barged_s))
                self._barged_s = None
            case Heard.READY if not self.ready.done():
                self._say(self._crowd.wire.on_ready())
                self.ready.set_result(None)
            case _:
                pass

    def tick(self, now_s: float) -> None:
        """Send exactly one frame of 20 ms, and go on with the conversation."""
        if self.is_closed:
            return
        if self._state is _State.SPEAKING:
            self._speak(now_s)
            return
        self._write(self._crowd.room[self._at_frame % len(self._crowd.room)])
        self._at_frame += 1
        if self._state is _State.LISTENING:
            self._listen(now_s)
        elif self._crowd.is_talking:
            self.rest_frames -= 1
            if self.rest_frames <= 0:
                self._state, self._at_frame, self._is_barging = _State.SPEAKING, 0, False

    def _speak(self, now_s: float) -> None:
        crowd = self._crowd
        if self._at_frame == 0:
            self._barged_s = now_s if self._is_barging else None
            if crowd.begin is not None:
                self._write(crowd.begin)
        self._write(crowd.speech[self._at_frame])
        self._at_frame += 1
        if self._at_frame == len(crowd.speech):
            if crowd.end is not None:
                self._write(crowd.end)
            crowd.tally.uninterrupted += self._barged_s is not None
            self._barged_s = None
            self._asked_s, self._heard_bytes, self._is_whole = now_s, 0, False
            self._state = _State.LISTENING

    def _listen(self, now_s: float) -> None:
        crowd, listened_s = self._crowd, now_s - self._first_s
        if not self._heard_bytes:
            if now_s - self._asked_s > _LOST_AFTER_S:
                crowd.tally.lost += 1
                self._rest()
        elif crowd.load.barges_in and not self._is_barging and listened_s > _BARGE_AFTER_S:
            self._note_answer()
            self._state, self._at_frame, self._is_barging = _State.SPEAKING, 0, True
        elif self._has_all and listened_s > self._heard_bytes / work.OUT_BYTES_PER_S:
            self._note_answer()
            self._rest()
        elif listened_s > _LONGEST_REPLY_S:
            crowd.tally.lost += 1
            self._rest()

    @property
    def _has_all(self) -> bool:
        return self._is_whole or self._heard_bytes >= 0.99 * work.REPLY_BYTES

    def _note_answer(self) -> None:
        self._crowd.tally.first_audio.append(1000 * (self._first_s - self._asked_s))

    def _rest(self) -> None:
        self._state, self._is_barging = _State.RESTING, False
        # Not always as long: else speech would fall into the windows of a detector always alike.
        self.rest_frames = int(_REST_S * 1000 / work.FRAME_MS) + self._crowd.chance.randrange(8)

    def is_waiting_since(self, seconds: float) -> bool:
        """Whether it has waited this long for the first sound."""
        is_unanswered = self._state is _State.LISTENING and not self._heard_bytes
        return is_unanswered and time.perf_counter() - self._asked_s > seconds


class Crowd:
    """All the callers of one load."""

    def __init__(self, wire: Wire, load: Load, port: int, pid: int) -> None:
        self.wire, self.load = wire, load
        self._port, self._pid = port, pid
        with wave.open(str(work.QUESTION_WAV)) as file:
            pcm = file.readframes(file.getnframes())
        self.speech = [
            frames.frame(frames.BINARY, pcm[at : at + work.FRAME_BYTES])
            for at in range(0, len(pcm), work.FRAME_BYTES)
        ]
        self.room = [frames.frame(frames.BINARY, pcm) for pcm in _room(load.room_dbfs)]
        is_ptt = load.mode == "ptt"
        self.begin = frames.frame(frames.TEXT, wire.begin().encode()) if is_ptt else None
        self.end = frames.frame(frames.TEXT, wire.end().encode()) if is_ptt else None
        self.tally = Tally()
        self.is_talking = False
        self.chance = random.Random(1)
        self._callers: list[Caller] = []
        self._buckets: list[list[Caller]] = [[] for _ in range(_BUCKETS)]  # those who were let in

    async def run(self) -> Report:
        """All of them at once: first nobody speaks, then everybody."""
        load = self.load
        before = usage_of(self._pid)
        ticking = asyncio.create_task(self._tick())
        try:
            await self._connect_all()
            await asyncio.sleep(1.0)
            quiet_rate, _ = await self._cpu_rate(load.quiet_s)
            spread_frames = int(min(6.0, load.callers * 0.5) * 1000 / work.FRAME_MS)
            for caller in self._callers:
                caller.rest_frames = self.chance.randrange(max(1, spread_frames))
            self.tally, self.is_talking = Tally(), True
            rate, _ = await self._cpu_rate(load.talking_s)
            after = usage_of(self._pid)
            served = [caller for bucket in self._buckets for caller in bucket if not caller.is_closed]
            unanswered = sum(caller.is_waiting_since(3.0) for caller in served)
        finally:
            ticking.cancel()
            for caller in self._callers:
                caller.close()
        tally, mib = self.tally, 1 << 20
        return Report(
            callers=load.callers,
            turns=len(tally.first_audio),
            lost_turns=tally.lost + unanswered + load.callers - len(served),
            early_replies=tally.early,
            first_audio_p50_ms=percentile(tally.first_audio, 0.5),
            first_audio_p95_ms=percentile(tally.first_audio, 0.95),
            first_audio_p99_ms=percentile(tally.first_audio, 0.99),
            barge_in_p50_ms=percentile(tally.interrupted, 0.5),
            barge_in_p95_ms=percentile(tally.interrupted, 0.95),
            barge_ins_missed=tally.uninterrupted,
            cpu_ms_per_session_second=round(1000 * rate / load.callers, 3),
            quiet_cpu_ms_per_session_second=round(1000 * quiet_rate / load.callers, 3),
            core_percent=round(100 * rate, 1),
            mb_per_session=round((after.resident_bytes - before.resident_bytes) / mib / load.callers, 3),
            client_lag_p99_ms=percentile(tally.lag, 0.99),
        )

    async def _connect_all(self) -> None:
        """All of them, or as many as are let in: those who are send audio, and may be too much already."""
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LET_IN_S):
                for number in range(self.load.callers):
                    _, caller = await loop.create_connection(lambda: Caller(self), "127.0.0.1", self._port)
                    self._callers.append(caller)
                    await caller.ready
                    self._buckets[number % _BUCKETS].append(caller)

    async def _cpu_rate(self, seconds: float) -> tuple[float, float]:
        """Processor seconds a second, while `seconds` pass; and how many did."""
        if not seconds:
            return 0.0, 0.0
        began, began_s = usage_of(self._pid), time.perf_counter()
        await asyncio.sleep(seconds)
        passed_s = time.perf_counter() - began_s
        return (usage_of(self._pid).cpu_s - began.cpu_s) / passed_s, passed_s

    async def _tick(self) -> None:
        step_s, began_s, count = work.FRAME_MS / 1000 / _BUCKETS, time.perf_counter(), 0
        while True:
            due_s = began_s + count * step_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            now_s = time.perf_counter()
            self.tally.lag.append(1000 * (now_s - due_s))
            for caller in self._buckets[count % _BUCKETS]:
                caller.tick(now_s)
            count += 1


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share of them lies; None of nothing."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else None


def _room(dbfs: float | None) -> list[bytes]:
    """Frames of white noise as loud as a quiet room, two seconds before it repeats; or of digital silence."""
    if dbfs is None:
        return [bytes(work.FRAME_BYTES)]
    chance, loudness = random.Random(2), 32_768 * 10 ** (dbfs / 20)
    samples = range(work.FRAME_BYTES // 2)
    return [array("h", [round(chance.gauss(0, loudness)) for _ in samples]).tobytes() for _ in range(100)]
