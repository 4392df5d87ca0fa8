"""Recordings keep to their bounds, and what is wrong with them is no session's trouble."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clocks import HandClock
from voice_server.clock import Instant
from voice_server.core import events as on
from voice_server.core.tape import Beginning, Tape, read
from voice_server.errors import ConfigurationError
from voice_server.ids import ConversationId
from voice_server.ops.recorder import Recorder, RecorderLimits, SessionRecording

pytestmark = pytest.mark.unit

BEGINNING = Beginning("", ConversationId("c"))


def tape_of(file: Path) -> Tape:
    with file.open("rb") as lines:
        return read(lines)


def talk(recording: SessionRecording, steps: int) -> None:
    """A conversation of so many events; each is answered, recorded or not."""
    conversation = BEGINNING.conversation()
    for number in range(steps):
        wishes = recording.step(conversation, on.PolicyChanged(conversation.policy), Instant(number))
        assert wishes == []


def recorder(folder: Path, limits: RecorderLimits = RecorderLimits()) -> Recorder:  # noqa: B008
    return Recorder(folder, limits, HandClock())


def test_a_slow_disk_ends_recordings_and_holds_up_nobody(tmp_path: Path) -> None:
    one = recorder(tmp_path, RecorderLimits(lines_waiting=10))
    first = one.open("sess_1", BEGINNING)
    talk(first, 20)  # nothing is written yet
    assert first.is_over
    second = one.open("sess_2", BEGINNING)
    assert second.is_over
    one.start()
    one.close()
    assert [file.name for file in tmp_path.iterdir()] == ["sess_1.jsonl"]
    tape = tape_of(tmp_path / "sess_1.jsonl")
    assert tape.end == "the disk is too slow"


def test_a_disk_that_refuses_ends_the_recording_alone(tmp_path: Path) -> None:
    (tmp_path / "sess_1.jsonl").write_text("somebody else's")
    one = recorder(tmp_path)
    one.start()
    first, second = one.open("sess_1", BEGINNING), one.open("sess_2", BEGINNING)
    until(lambda: first.is_over)
    talk(first, 3)
    talk(second, 3)
    second.close("ended")
    one.close()
    assert (tmp_path / "sess_1.jsonl").read_text() == "somebody else's"
    tape = tape_of(tmp_path / "sess_2.jsonl")
    assert (len(tape.steps), tape.end) == (3, "ended")


def test_a_full_disk_leaves_what_was_written(tmp_path: Path) -> None:
    one = recorder(tmp_path)
    one.start()
    first = one.open("sess_1", BEGINNING)
    talk(first, 3)
    until(lambda: first.written_bytes > 0 and (tmp_path / "sess_1.jsonl").read_bytes().count(b"\n") == 4)
    full = open("/dev/full", "wb")  # noqa: SIM115
    assert first.file is not None
    os.dup2(full.fileno(), first.file.fileno())
    talk(first, 1)
    until(lambda: first.is_over)
    talk(first, 1)
    one.close()
    full.close()
    tape = tape_of(tmp_path / "sess_1.jsonl")
    assert (len(tape.steps), tape.end) == (3, None)


def test_a_crash_loses_no_line_that_was_written(tmp_path: Path) -> None:
    """A recording that nobody closed can be read while it grows."""
    one = recorder(tmp_path)
    one.start()
    talk(one.open("sess_1", BEGINNING), 5)
    until(lambda: (tmp_path / "sess_1.jsonl").exists())
    until(lambda: len(tape_of(tmp_path / "sess_1.jsonl").steps) == 5)
    assert tape_of(tmp_path / "sess_1.jsonl").end is None
    one.close()


def test_the_oldest_make_room_and_the_old_are_deleted(tmp_path: Path) -> None:
    for number, age_days in ((1, 9), (2, 3), (3, 2), (4, 1)):
        file = tmp_path / f"sess_{number}.jsonl"
        file.write_bytes(bytes(1_000))
        then = time.time() - age_days * 86_400
        os.utime(file, (then, then))
    (tmp_path / "notes.txt").write_bytes(bytes(5_000))
    limits = RecorderLimits(total_bytes=3_200, keep_s=5 * 86_400)
    one = recorder(tmp_path, limits)
    one.start()
    recording = one.open("sess_5", BEGINNING)
    talk(recording, 10)
    recording.close("ended")
    one.close()
    left = {file.name for file in tmp_path.iterdir()}
    assert {"sess_5.jsonl", "sess_4.jsonl", "notes.txt"} <= left
    assert not left & {"sess_1.jsonl", "sess_2.jsonl"}
    assert tape_of(tmp_path / "sess_5.jsonl").end == "ended"


def test_the_old_are_deleted_while_lines_never_cease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_server.ops.recorder._TIDIED_EVERY_S", 0.2)
    one = recorder(tmp_path, RecorderLimits(keep_s=86_400, lines_waiting=100_000))
    one.start()
    recording = one.open("sess_2", BEGINNING)
    until(lambda: (tmp_path / "sess_2.jsonl").exists())
    old = tmp_path / "sess_1.jsonl"
    old.touch()
    os.utime(old, (0, 0))

    def is_deleted() -> bool:
        talk(recording, 1)
        return not old.exists()

    until(is_deleted)
    one.close()


def test_where_nothing_can_be_deleted_the_recording_ends(tmp_path: Path) -> None:
    one = recorder(tmp_path, RecorderLimits(total_bytes=1_000))
    one.start()
    first = one.open("sess_1", BEGINNING)
    talk(first, 100)
    until(lambda: first.is_over)
    one.close()
    assert tape_of(tmp_path / "sess_1.jsonl").end == "recording.total_mb is reached"
    assert (tmp_path / "sess_1.jsonl").stat().st_size < 1_100


def test_a_folder_that_cannot_be_is_said_before_the_first_session(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"recording\.folder"):
        recorder(tmp_path / "file" / "kept")


def until(holds: Callable[[], bool]) -> None:
    """Wait for the thread."""
    give_up_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)
