"""`voice-server replay`: a recorded session once more, through the conversation as it is now."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from voice_server.cli.shared import check_can_write, err, out
from voice_server.cli.timeline import in_words, timeline
from voice_server.core.replay import Replayed, replay
from voice_server.core.tape import Tape, as_recorded, read
from voice_server.errors import RecordingError
from voice_server.ops.mixdown import mix_down

DIFFERENT = 1


def replay_recording(
    file: Annotated[Path, typer.Argument(help="A recording, from the folder recording.folder.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each step as a JSON object, and what came of it last.")
    ] = False,
    audio: Annotated[
        Path | None,
        typer.Option(
            help="Write what was heard to this WAV file: the caller left, the assistant right.",
            show_default=False,
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write into FILE what this version answers, as what is right.")
    ] = False,
) -> None:
    """Show what happened in a recorded session, and whether this version decides the same.

    The conversation is told every event again, at the moment it came then. The exit code is 1, and the first
    difference is shown, if it answers one of them otherwise.

    Examples:

        voice-server replay sess_01k5.jsonl

        voice-server replay sess_01k5.jsonl --audio call.wav
    """
    if audio is not None:
        check_can_write(audio)
    tape = _read(file)
    steps = list(replay(tape))
    difference = next((one for one in steps if not one.is_same), None)
    if as_json:
        _print_json(tape, steps, difference)
    else:
        for line in timeline(tape):
            out.print(line, markup=False)
        _print_verdict(tape, steps, difference)
    if audio is not None:
        audio.write_bytes(mix_down(tape))
        err.print(f"Written to {audio}.", markup=False)
    if accept:
        _accept(file, steps)
        err.print(f"{file} now holds the answers of this version.", markup=False)
    elif difference is not None:
        raise typer.Exit(DIFFERENT)


def _read(file: Path) -> Tape:
    try:
        with file.open("rb") as lines:
            return read(lines)
    except OSError as error:
        raise RecordingError(f"{file} cannot be read: {error.strerror}.") from error
    except RecordingError as error:
        raise RecordingError(f"{file}: {error.message}") from error


def _accept(file: Path, steps: Sequence[Replayed]) -> None:
    """The same recording, with these answers."""
    if broken := next((one for one in steps if one.wishes is None), None):
        raise RecordingError(f"Step {broken.number} breaks: that is nothing to be accepted.")
    answers = iter(steps)
    lines = []
    for line in file.read_bytes().splitlines(keepends=True):
        if b'"event":' in line and line.endswith(b"\n"):
            told = msgspec.json.decode(line) | {"wishes": next(answers).wishes}
            line = msgspec.json.encode(told) + b"\n"
        lines.append(line)
    file.write_bytes(b"".join(lines))


def _print_verdict(tape: Tape, steps: list[Replayed], difference: Replayed | None) -> None:
    title = tape.title
    err.print(f"Recorded by version {title.software}, {title.began_at}: {title.session_id}.", markup=False)
    if tape.end is None:
        err.print("The recording breaks off here: its server was killed, or is still at it.")
    else:
        err.print(f"It ends: {tape.end}.", markup=False)
    if difference is None:
        err.print(f"Replayed {len(steps)} steps: every one is answered as it was then.")
        return
    step, index = difference.step, difference.differs_at
    at_s = (step.at - tape.steps[0].at) / 1000
    event = in_words(as_recorded([step.event])[0])
    err.print(f"Step {difference.number} at {at_s:.3f} s is answered otherwise: {event}", markup=False)
    for name, wishes in (("then", step.wishes), ("now", difference.wishes)):
        if wishes is None:
            told = f"it broke: {difference.error!r}" if name == "now" and difference.error else "it broke"
        else:
            told = in_words(wishes[index]) if index < len(wishes) else "nothing more"
        err.print(f"  {name + ':':6}{told}", markup=False)


def _print_json(tape: Tape, steps: list[Replayed], difference: Replayed | None) -> None:
    for one in steps:
        told = {
            "at_ms": round(one.step.at - tape.steps[0].at, 3),
            "event": as_recorded([one.step.event])[0],
            "wishes": one.step.wishes,
            "same": one.is_same,
        }
        if not one.is_same:
            told["wishes_now"] = one.wishes
        out.print(json.dumps(told, ensure_ascii=False), markup=False)
    verdict = {
        "session_id": tape.title.session_id,
        "software": tape.title.software,
        "began_at": tape.title.began_at,
        "end": tape.end,
        "steps": len(steps),
        "same": difference is None,
        "first_difference": difference.number if difference else None,
    }
    out.print(json.dumps(verdict, ensure_ascii=False), markup=False)
