"""Recordings of sessions, written by one thread, so that no session ever waits for a disk.

What is to be written waits in one bounded queue. Where the disk is too slow for it, or full, or a bound is
reached, a recording ends before its session does, and the log says so.
"""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from voice_server import __version__
from voice_server.clock import Clock, Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.conversation import Conversation
from voice_server.core.tape import Beginning, End, Heard, Line, Step, Title, encode
from voice_server.errors import ConfigurationError

__all__ = ["Recorder", "RecorderLimits", "SessionRecording", "make_folder"]

log = structlog.get_logger()

SUFFIX = ".jsonl"

_STRETCH_BYTES = 32_000  # of the caller's audio, a second, to a line
_BYTES_PER_MS = 32
_PAUSE_MS = 200.0  # without audio; what comes after it stands in another line
_TIDIED_EVERY_S = 3600.0
_CLOSED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """What recordings may take. `keep_s` of 0 keeps them until there is no room."""

    keeps_audio: bool = True
    session_bytes: int = 256 << 20
    total_bytes: int = 2 << 30
    keep_s: float = 30 * 86_400
    lines_waiting: int = 2_000


class SessionRecording:
    """One session's. Called on the event loop; nothing is waited for, nothing is raised."""

    def __init__(self, recorder: "Recorder", session_id: str, clock: Clock) -> None:
        self.session_id = session_id
        self.is_over = False
        self.file: BinaryIO | None = None  # the thread's, as the number of its bytes is
        self.written_bytes = 0
        self._recorder = recorder
        self._clock = clock
        self._heard: list[bytes] = []
        self._heard_bytes = 0
        self._heard_from = (Instant(0.0), 0.0)  # when, and where in the input stream
        self._heard_until = Instant(0.0)

    def step(self, conversation: Conversation, event: on.Event, now: Instant) -> Sequence[do.Command]:
        """Have the conversation take a fact, and keep what it answers."""
        wishes: Sequence[do.Command] | None = None
        try:
            wishes = conversation.step(event, now)
        finally:
            self._keep(Step(now, event, wishes))
        return wishes

    def hear(self, position_ms: float | None, pcm: bytes) -> None:
        """The ears heard this, up to now; `position_ms` is where it begins, None for a recorded clip."""
        if self.is_over or not self._recorder.limits.keeps_audio:
            return
        now = self._clock.now()
        if position_ms is None:
            self._keep(Heard(now, None, pcm))
            return
        if now - self._heard_until > _PAUSE_MS:
            self._keep_heard()
        if not self._heard:
            self._heard_from = Instant(now - len(pcm) / _BYTES_PER_MS), position_ms
        self._heard.append(pcm)
        self._heard_bytes += len(pcm)
        self._heard_until = now
        if self._heard_bytes >= _STRETCH_BYTES:
            self._keep_heard()

    def close(self, reason: str) -> None:
        """The session is over."""
        self._keep_heard()
        self._keep(End(reason))
        self.is_over = True

    def _keep_heard(self) -> None:
        if self._heard:
            at, position_ms = self._heard_from
            self._keep(Heard(at, position_ms, b"".join(self._heard)))
            self._heard, self._heard_bytes = [], 0

    def _keep(self, line: Line) -> None:
        if not self.is_over and not self._recorder.keep(self, line):
            self.is_over = True


def make_folder(folder: Path) -> None:
    """Where recordings may be written.

    Raises:
        ConfigurationError: they cannot be.
    """
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"recording.folder is {folder}, where no folder can be made: {error.strerror}."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"recording.folder is {folder}, where nothing can be written.")


class Recorder:
    """All recordings: a file a session in one folder, which only its owner may read.

    Raises:
        ConfigurationError: see `make_folder`.
    """

    def __init__(self, folder: Path, limits: RecorderLimits, clock: Clock) -> None:
        self.limits = limits
        self._folder = folder
        self._clock = clock
        self._lines: queue.Queue[tuple[SessionRecording, Line] | None] = queue.Queue(limits.lines_waiting)
        self._given_up: deque[SessionRecording] = deque()  # there was no room in the queue
        self._open: dict[str, SessionRecording] = {}
        self._total_bytes = 0
        make_folder(folder)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write; before that, lines wait."""
        self._thread.start()
        log.info("sessions are recorded", folder=str(self._folder))

    def open(self, session_id: str, beginning: Beginning) -> SessionRecording:
        """Record a session from its beginning on."""
        recording = SessionRecording(self, session_id, self._clock)
        title = Title(session_id, self._clock.utc().isoformat(), __version__, beginning)
        recording.is_over = not self.keep(recording, title)
        return recording

    def keep(self, recording: SessionRecording, line: Line) -> bool:
        """Have a line written; gives whether there was room. Never waits."""
        try:
            self._lines.put_nowait((recording, line))
        except queue.Full:
            self._given_up.append(recording)
            return False
        return True

    def close(self) -> None:
        """Write what waits, for a while at most. Blocks."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=_CLOSED_WITHIN_S)
            self._thread.join(_CLOSED_WITHIN_S)

    # ── In the thread ────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        is_over = False
        while not is_over:
            self._tidy()
            is_over = self._write_until(time.monotonic() + _TIDIED_EVERY_S)
        for recording in list(self._open.values()):
            self._close(recording)

    def _write_until(self, due_s: float) -> bool:
        """Write what comes before that; gives whether no more will."""
        while (left_s := due_s - time.monotonic()) > 0:
            try:
                item = self._lines.get(timeout=left_s)
            except queue.Empty:
                break
            if item is not None:
                self._try_to_write(*item)
            if item is None or self._lines.empty():
                self._give_up_slow()
            if item is None:
                return True
        return False

    def _try_to_write(self, recording: SessionRecording, line: Line) -> None:
        try:
            self._write(recording, line)
        except OSError as error:
            self._give_up(recording, error.strerror or "the disk refuses")
        except Exception:  # one thread writes for all: the recordings of others go on
            log.exception("recorder broke", session=recording.session_id)
            self._give_up(recording, "the recorder broke")

    def _give_up_slow(self) -> None:
        """End those for whose lines there was no room, once all that there was room for is written."""
        while self._given_up:
            self._give_up(self._given_up.popleft(), "the disk is too slow")

    def _write(self, recording: SessionRecording, line: Line) -> None:
        if isinstance(line, Title):
            recording.file = self._create(recording.session_id)
            self._open[recording.session_id] = recording
        if recording.file is None:
            return  # given up before
        told = encode(line, keeps_audio=self.limits.keeps_audio)
        if recording.written_bytes + len(told) > self.limits.session_bytes:
            self._give_up(recording, "recording.session_mb is reached")
            return
        if self._total_bytes + len(told) > self.limits.total_bytes:
            self._tidy(len(told))
        if self._total_bytes + len(told) > self.limits.total_bytes:
            self._give_up(recording, "recording.total_mb is reached")
            return
        self._append(recording, told)
        if isinstance(line, End):
            self._close(recording)

    def _append(self, recording: SessionRecording, told: bytes) -> None:
        assert recording.file is not None
        recording.file.write(told)
        recording.file.flush()  # so that it is there whatever becomes of this process
        recording.written_bytes += len(told)
        self._total_bytes += len(told)

    def _create(self, session_id: str) -> BinaryIO:
        path = self._folder / f"{session_id}{SUFFIX}"
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def _give_up(self, recording: SessionRecording, reason: str) -> None:
        recording.is_over = True
        if recording.file is not None:
            with suppress(OSError):
                self._append(recording, encode(End(reason)))
        self._close(recording)
        log.warning("a recording ended before its session", session=recording.session_id, reason=reason)

    def _close(self, recording: SessionRecording) -> None:
        self._open.pop(recording.session_id, None)
        if recording.file is not None:
            with suppress(OSError):
                recording.file.close()
            recording.file = None

    def _tidy(self, needed_bytes: int = 0) -> None:
        """Delete what is too old, and the oldest until there is room. Names sort by their time."""
        found: list[tuple[Path, os.stat_result]] = []
        for path in sorted(self._folder.glob(f"sess_*{SUFFIX}")):
            with suppress(OSError):
                found.append((path, path.stat()))
        self._total_bytes = sum(about.st_size for _, about in found)
        oldest_s = time.time() - self.limits.keep_s if self.limits.keep_s else 0.0
        for path, about in found:
            is_full = self._total_bytes + needed_bytes > self.limits.total_bytes
            if path.stem not in self._open and (about.st_mtime < oldest_s or is_full):
                with suppress(OSError):
                    path.unlink()
                    self._total_bytes -= about.st_size
