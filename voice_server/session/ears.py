"""Listens to one caller: decodes the input stream, finds the voice in it, has it transcribed.

The position of the input stream is the clock by which speech and silence are measured. A stream that sends
nothing while something is being listened to counts as silence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from voice_server.audio.echo import HEARD_MS
from voice_server.audio.format import STT_RATE_HZ, InputFormat, bytes_of_ms
from voice_server.audio.incoming import InputDecoder, open_decoder
from voice_server.audio.level import level_dbfs
from voice_server.audio.suppress import NoiseSuppressor
from voice_server.audio.voice_activity import EdgeKind, VadSettings, VoiceDetector, VoiceEdge
from voice_server.clock import Clock, Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.wire import TurnMode
from voice_server.session.choice import Choice
from voice_server.session.hearing import Hearing
from voice_server.session.limits import SessionLimits
from voice_server.session.shared_vad import SharedVad

log = structlog.get_logger()

Emit = Callable[[on.Event], None]
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
Score = Callable[[bytes], Awaitable[float]]
Likeness = Callable[[bytes, float], float | None]
"""Takes a voice, and how many milliseconds ago it ended."""
Serve = Callable[[str, str], None]
"""Takes the stage, and who does its work."""
ServeFor = Callable[[int | None, str, str], None]
"""The same, and before it the utterance that it is for, if it is for one."""
Overhear = Callable[[float | None, bytes], None]
"""Takes what is heard (PCM16 16 kHz) and where in the input stream it begins; None: it is a clip."""

_DETECTION_MS = 400  # how late an edge may be told; the beginning of the voice must still be at hand then
_SCORED_MS = 8_000  # what the end-of-turn model looks at
_CONFIRMED_MS = 200  # of voice, at the moment it is confirmed
_STALL_STEP_MS = 100
_COMPARE_MS = 250  # so often a voice is compared with our own
_TRIM_EVERY_MS = 250
_BYTES_PER_MS = bytes_of_ms(1, STT_RATE_HZ)


@dataclass(slots=True)
class _Open:
    """An utterance that is being transcribed."""

    hearing: Hearing
    task: asyncio.Task[None]


class Ears:
    """One per session. All methods are called from the event loop and return at once.

    Args:
        score: how finished an utterance sounds (PCM16 16 kHz); None where there is no such model.
        likeness: how much a voice (PCM16 16 kHz) is like what is being played; None where it cannot be said.
        suppress: makes what takes the noise out of a stream; None where it is to stay.
        overhear: told of all that is heard, where somebody wants to know.
    """

    def __init__(
        self,
        emit: Emit,
        spawn: Spawn,
        clock: Clock,
        vad: SharedVad,
        score: Score | None,
        limits: SessionLimits,
        serve: ServeFor,
        likeness: Likeness,
        suppress: Callable[[], NoiseSuppressor] | None = None,
        overhear: Overhear | None = None,
    ) -> None:
        self._emit = emit
        self._spawn = spawn
        self._clock = clock
        self._vad = vad
        self._score = score
        self._limits = limits
        self._serve = serve
        self._likeness = likeness
        self._choice: Choice | None = None
        self._suppress = suppress
        self._suppressor: NoiseSuppressor | None = None
        self._overhear = overhear
        self._decoder: InputDecoder | None = None
        self._detector: VoiceDetector | None = None
        self._origin_ms = 0.0  # where the detector began to count
        self._position_ms = 0.0
        self._recent = bytearray()  # ends at _position_ms
        self._trim_at_ms = 0.0
        self._current: int | None = None  # the utterance that gets the audio
        self._current_from_ms = 0.0
        self._open: dict[int, _Open] = {}
        self._silence_until_ms: float | None = None
        self._voice_from_ms = 0.0
        self._compare_at_ms: float | None = None
        self._accounted_at = Instant(0.0)  # the input is heard, or taken for silence, up to here
        self._is_stalled = False
        self._stall_timer: asyncio.TimerHandle | None = None

    @property
    def position_ms(self) -> float:
        """How much of the input stream was heard, stalls included."""
        return self._position_ms

    @property
    def is_open(self) -> bool:
        """Whether there is an input stream."""
        return self._decoder is not None

    def moment_of(self, at_ms: float) -> Instant:
        """When the input stream was at this position, going by its present one."""
        return Instant(self._clock.now() - (self._position_ms - at_ms))

    # ── The input stream ─────────────────────────────────────────────────────────────────────────

    def open_stream(self, choice: Choice, form: InputFormat) -> None:
        """A stream begins; positions go on where the last one ended."""
        self._choice = choice
        self._decoder = open_decoder(form)
        self._suppressor = self._suppress() if self._suppress is not None else None
        self._accounted_at = self._clock.now()
        self._listen_anew()
        self._await_stall()  # the utterance of the stream before may yet be gone on with

    def use(self, choice: Choice) -> None:
        """Other settings, from the next utterance on."""
        if self._choice is None or self._decoder is None:
            return
        old, self._choice = self._choice, choice
        if (old.policy.mode, old.vad_threshold) != (choice.policy.mode, choice.vad_threshold):
            if self._current is not None and (self._detector is None or self._detector.speaking):
                self._emit(on.SpeechStopped(self._position_ms))  # the next will not know of this voice
            self._listen_anew()

    def push(self, data: bytes) -> float:
        """Take audio as it came; gives how many milliseconds it lasts.

        Raises:
            AudioError: it is not the audio it was declared to be; the stream goes on.
        """
        assert self._decoder is not None
        pcm = self._decoder.push(data)
        passed_ms = len(pcm) / _BYTES_PER_MS
        if self._suppressor is not None:
            pcm = self._suppressor.push(pcm)
        # Audio that comes at once, in long pieces or too fast, fills the time it lasts: its end is no stall.
        self._accounted_at = Instant(max(self._accounted_at, self._clock.now()) + passed_ms)
        self._is_stalled = False
        self._take(pcm)
        return passed_ms

    def close_stream(self) -> None:
        """The stream ends; what is being transcribed goes on."""
        if self._decoder is not None:
            rest = self._decoder.finish()
            if self._suppressor is not None:
                rest = self._suppressor.push(rest) + self._suppressor.flush()
            self._take(rest)
        self._decoder = self._suppressor = None
        self._use_detector(None)
        self._silence_until_ms = None

    def forget(self) -> None:
        """Nothing heard so far shall be part of a later utterance."""
        self._listen_anew()

    def _listen_anew(self) -> None:
        self._recent.clear()
        self._origin_ms = self._position_ms
        if self._choice is None or self._is_manual:
            self._use_detector(None)
        else:
            settings = VadSettings(threshold=self._choice.vad_threshold)
            self._use_detector(VoiceDetector(self._vad.model, settings))

    def _use_detector(self, detector: VoiceDetector | None) -> None:
        if self._detector is not None:
            self._vad.forget(self._detector)
        self._detector, self._compare_at_ms = detector, None

    def _take(self, pcm: bytes) -> None:
        if not pcm:
            return
        began_ms = self._position_ms
        if self._overhear is not None:
            self._overhear(began_ms, pcm)
        self._position_ms += len(pcm) / _BYTES_PER_MS
        self._recent += pcm
        if self._current is not None:
            self._open[self._current].hearing.push(pcm)
        if self._detector is None:
            if self._current is None and self._is_manual:
                self._emit(on.InputBegan(began_ms))
        else:
            self._listen(self._detector, pcm)
        if self._silence_until_ms is not None or self._current is not None:
            self._watch()
        if self._compare_at_ms is not None and self._position_ms >= self._compare_at_ms:
            self._compare(self._position_ms)
        if self._position_ms >= self._trim_at_ms:
            self._trim_at_ms = self._position_ms + _TRIM_EVERY_MS
            self._trim()

    def _listen(self, detector: VoiceDetector, pcm: bytes) -> None:
        detector.add(pcm)
        if detector.question is not None:
            self._vad.ask(detector, self._tell_all)

    def _tell_all(self, edges: list[VoiceEdge]) -> None:
        for edge in edges:
            self._tell(edge)

    @property
    def _is_manual(self) -> bool:
        return self._choice is not None and self._choice.policy.mode is TurnMode.MANUAL

    def _tell(self, edge: VoiceEdge) -> None:
        at_ms = self._origin_ms + edge.at_ms
        match edge.kind:
            case EdgeKind.STARTED:
                self._silence_until_ms = None
                self._voice_from_ms = at_ms
                self._emit(on.SpeechStarted(at_ms))
            case EdgeKind.CONFIRMED:
                self._compare(at_ms)
                voice = bytes(self._recent[-bytes_of_ms(_CONFIRMED_MS, STT_RATE_HZ) :])
                self._emit(on.SpeechConfirmed(at_ms, level_dbfs(voice)))
            case EdgeKind.STOPPED:
                self._compare(at_ms)
                self._compare_at_ms = None
                self._emit(on.SpeechStopped(at_ms))

    def _compare(self, until_ms: float) -> None:
        """Say how much the voice is like our own, while that can be heard."""
        passed_ms = self._position_ms - until_ms
        length_bytes = bytes_of_ms(min(until_ms - self._voice_from_ms, HEARD_MS), STT_RATE_HZ)
        end = len(self._recent) - bytes_of_ms(passed_ms, STT_RATE_HZ)
        voice = bytes(self._recent[max(end - length_bytes, 0) : end])
        likeness = self._likeness(voice, passed_ms)
        self._compare_at_ms = None if likeness is None else self._position_ms + _COMPARE_MS
        if likeness is not None:
            level = level_dbfs(voice[-bytes_of_ms(_COMPARE_MS, STT_RATE_HZ) :])
            self._emit(on.VoiceCompared(until_ms, likeness, level))

    def _watch(self) -> None:
        if self._silence_until_ms is not None and self._position_ms >= self._silence_until_ms:
            self._silence_until_ms = None
            self._emit(on.SilenceReached(self._position_ms))
        length_ms = self._position_ms - self._current_from_ms
        if self._current is not None and length_ms >= self._limits.utterance_s * 1000:
            self._current_from_ms = self._position_ms
            self._emit(on.UtteranceFull(self._position_ms))

    def _trim(self) -> None:
        choice = self._choice
        keep_ms = choice.prefix_ms + _DETECTION_MS if choice is not None else _DETECTION_MS
        if self._current is not None and choice is not None and choice.policy.mode is TurnMode.SEMANTIC:
            keep_ms = max(keep_ms, _SCORED_MS)
        del self._recent[: -bytes_of_ms(keep_ms, STT_RATE_HZ)]

    # ── What the conversation wishes ─────────────────────────────────────────────────────────────

    def open_utterance(self, command: do.OpenUtterance) -> None:
        """Begin to transcribe, with what was heard since shortly before the voice."""
        assert self._choice is not None
        prefix_ms = 0.0 if self._is_manual else self._choice.prefix_ms
        hearing = self._start(command.utterance, self._choice)
        missing_ms = self._position_ms - (command.from_ms - prefix_ms)
        hearing.push(bytes(self._recent[-max(bytes_of_ms(missing_ms, STT_RATE_HZ), 2) :]))
        self._current, self._current_from_ms = command.utterance, command.from_ms
        self._await_stall()

    def settle(self, command: do.Settle) -> None:
        """Ask for a transcript of what there is, and perhaps how finished it sounds."""
        if (one := self._open.get(command.utterance)) is None:
            return
        one.hearing.settle(command.revision)
        if self._is_manual and self._current == command.utterance:
            self._current = None
            self._recent.clear()
        if command.score and self._score is not None:
            pcm = bytes(self._recent[-bytes_of_ms(_SCORED_MS, STT_RATE_HZ) :])
            self._spawn(self._judge(self._score, command, pcm), "end of turn")

    async def _judge(self, score: Score, command: do.Settle, pcm: bytes) -> None:
        try:
            probability = await score(pcm)
        except Exception:  # the wait stays as long as it is: a turn does not fail for this
            log.exception("end-of-turn model broke")
            return
        self._emit(on.EndOfTurnScored(command.utterance, command.revision, probability))

    def watch_silence(self, command: do.WatchSilence) -> None:
        """Say when it has been quiet for long enough."""
        self._silence_until_ms = command.until_ms
        asyncio.get_running_loop().call_soon(self._watch)  # it may have been already

    def close_utterance(self, utterance: int) -> None:
        """Nothing more is wanted of it."""
        if (one := self._open.pop(utterance, None)) is not None:
            one.task.cancel()
        if self._current == utterance:
            self._current = None

    def hear_clip(self, command: do.TranscribeClip, pcm: bytes, choice: Choice) -> None:
        """Transcribe a recording."""
        if self._overhear is not None:
            self._overhear(None, pcm)
        hearing = self._start(command.utterance, choice)
        hearing.push(pcm)
        hearing.settle(command.revision)

    def close(self) -> None:
        """The session is over; its tasks are ended by their group."""
        self._use_detector(None)
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    def _start(self, utterance: int, choice: Choice) -> Hearing:
        hearing = Hearing(
            utterance, choice.stt, choice.stt_hints, self._emit, partial(self._serve, utterance)
        )
        self._open[utterance] = _Open(hearing, self._spawn(hearing.run(), "speech to text"))
        return hearing

    # ── A stream that stalls ─────────────────────────────────────────────────────────────────────

    def _await_stall(self) -> None:
        if self._stall_timer is None and self._detector is not None:
            self._stall_timer = asyncio.get_running_loop().call_later(
                _STALL_STEP_MS / 1000, self._check_stall
            )

    def _check_stall(self) -> None:
        self._stall_timer = None
        if self._current is None or self._decoder is None:
            return
        now = self._clock.now()
        missing_ms = now - self._accounted_at
        if self._is_stalled or missing_ms >= self._limits.input_stall_ms:
            self._is_stalled, self._accounted_at = True, now
            self._take(bytes(bytes_of_ms(missing_ms, STT_RATE_HZ)))
        self._await_stall()
