"""A session that is recorded can be replayed: the same facts, the same wishes."""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.scripted import Listening, ScriptedLlm, ScriptedStt, ScriptedTts, spread
from tests.session.rig import VAD, Call, House, calling, wav
from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.clock import LoopClock
from voice_server.core import wire
from voice_server.core.events import Event
from voice_server.core.policy import TurnPolicy
from voice_server.core.replay import first_difference, replay
from voice_server.core.tape import Tape, read
from voice_server.errors import ProviderError
from voice_server.fakes.spoken import speak
from voice_server.ops.mixdown import mix_down
from voice_server.ops.recorder import Recorder, RecorderLimits

pytestmark = pytest.mark.session

SEMANTIC = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=wire.TurnMode.SEMANTIC))
STORY = " ".join(f"word{number:02}" for number in range(40)) + "."


@asynccontextmanager
async def recorded(
    folder: Path,
    house: House | None = None,
    changes: wire.Changes = VAD,
    *,
    limits: RecorderLimits = RecorderLimits(),  # noqa: B008 (frozen)
    is_paced: bool = True,
) -> AsyncIterator[Call]:
    """A call that is on tape when it is over."""
    house = house or House()
    house.recorder = Recorder(folder, limits, LoopClock())
    house.recorder.start()
    try:
        async with calling(house, changes, is_paced=is_paced) as call:
            yield call
    finally:
        house.recorder.close()


def tape_in(folder: Path) -> Tape:
    (file,) = folder.iterdir()
    with file.open("rb") as lines:
        return read(lines)


def kinds(tape: Tape) -> set[type[Event]]:
    return {type(step.event) for step in tape.steps}


async def test_what_was_recorded_is_decided_again_in_the_same_way(tmp_path: Path) -> None:
    """A drafted turn, a cut by voice, a failed transcript, a dropped line, a clip: all of it, bit for bit."""
    house = House(
        stt=ScriptedStt([Listening(), Listening(), Listening(fails=ProviderError("No.", stage="stt"))]),
        llm=ScriptedLlm([spread("It is a long story, about a cat. " * 6, 0.4), [STORY]]),
        turns=TurnPolicy(early_starts=2),
    )
    async with recorded(tmp_path, house, SEMANTIC) as call:
        await call.say("What is the story?")
        await call.until(wire.AudioOut)
        await call.pass_ms(1_500)
        await call.say("Stop it please")
        await call.until(wire.Interrupted)
        await call.until(wire.AudioOut, where=lambda one: one.turn_id.endswith("2"))
        call.drop()
        await call.pass_ms(400)
        assert call.call_again(call.told[-1].seq)
        await call.send(wire.Playback(call.lines[0].told[-1].output.turn_id, 300))  # type: ignore[union-attr]
        await call.pass_ms(20_000)
        await call.send(wire.StreamStart())
        await call.say("Is it so?")
        await call.until(wire.ErrorOut)
        await call.send(wire.Clip(wav(speak("And now?"))), wire.Stop())
        await call.pass_ms(5_000)
        await call.send(wire.End())
    tape = tape_in(tmp_path)
    assert {"SpeechConfirmed", "Detached", "TranscriptionFailed", "ClipReceived", "Tick"} <= {
        kind.__name__ for kind in kinds(tape)
    }
    assert len(list(replay(tape))) == len(tape.steps) > 50
    assert first_difference(tape) is None
    assert tape.end is not None


async def test_another_rule_is_found_at_the_step_that_it_changes(tmp_path: Path) -> None:
    async with recorded(tmp_path) as call:
        await call.say("What is the time?")
        await call.until(wire.Metrics)
    tape = tape_in(tmp_path)
    patient = replace(tape.title.beginning, policy=TurnPolicy(wire.TurnMode.VAD, silence_ms=700))
    other = first_difference(replace(tape, title=replace(tape.title, beginning=patient)))
    assert other is not None
    then, now = other.step.wishes, other.wishes
    assert then is not None and now is not None
    (watched,) = (one["WatchSilence"]["until_ms"] for one in then if "WatchSilence" in one)
    assert now[other.differs_at]["WatchSilence"]["until_ms"] == watched + 200
