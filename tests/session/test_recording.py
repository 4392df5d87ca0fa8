"""A session that is recorded can be replayed: the same facts, the same wishes."""

import io
import stat
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.scripted import Listening, ScriptedLlm, ScriptedStt, ScriptedTts, spread
from tests.session.rig import FRAME_MS, House, calling, wav
from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.core import wire
from voice_server.core.policy import TurnPolicy
from voice_server.core.replay import first_difference, replay
from voice_server.core.tape import Tape, read
from voice_server.errors import ProviderError, RecordingError
from voice_server.fakes.spoken import speak
from voice_server.ops.mixdown import mix_down
from voice_server.ops.recorder import RecorderLimits

pytestmark = pytest.mark.session

SEMANTIC = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=wire.TurnMode.SEMANTIC))
STORY = " ".join(f"word{number:02}" for number in range(40)) + "."


def file_in(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def tape_in(folder: Path) -> Tape:
    with file_in(folder).open("rb") as lines:
        return read(lines)


def sent_as(encoding: str) -> wire.Changes:
    return wire.Changes(output_audio=wire.OutputAudioChanges(format=encoding))


async def test_what_was_recorded_is_decided_again_in_the_same_way(tmp_path: Path) -> None:
    """A drafted turn, a cut by voice, a failed transcript, a dropped line, a clip: all of it, bit for bit."""
    house = House(
        stt=ScriptedStt([Listening(), Listening(), Listening(fails=ProviderError("No.", stage="stt"))]),
        llm=ScriptedLlm([spread("It is a long story, about a cat. " * 6, 0.4), [STORY]]),
        turns=TurnPolicy(early_starts=2),
    )
    async with calling(house, SEMANTIC, recorded_in=tmp_path) as call:
        await call.say("What is the story?")
        await call.until(wire.AudioOut)
        await call.pass_ms(1_500)
        await call.say("Stop it please")
        await call.until(wire.Interrupted)
        second = await call.until(wire.AudioOut, where=lambda one: one.turn_id.endswith("2"))
        call.drop()
        await call.pass_ms(400)
        assert call.call_again(call.told[-1].seq)
        await call.send(wire.Playback(second.turn_id, 300))
        await call.pass_ms(20_000)
        await call.send(wire.StreamStart())
        await call.say("Is it so?")
        await call.until(wire.ErrorOut)
        await call.send(wire.Clip(wav(speak("And now?"))), wire.Stop())
        await call.pass_ms(5_000)
        await call.send(wire.End())
    tape = tape_in(tmp_path)
    kinds = {type(step.event).__name__ for step in tape.steps}
    assert {"SpeechConfirmed", "Detached", "TranscriptionFailed", "ClipReceived", "Tick"} <= kinds
    assert len(list(replay(tape))) == len(tape.steps) > 50
    assert first_difference(tape) is None
    assert tape.end is not None


async def test_another_rule_is_found_at_the_step_that_it_changes(tmp_path: Path) -> None:
    async with calling(recorded_in=tmp_path) as call:
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


async def test_the_sound_of_a_call_stands_where_it_was_heard(tmp_path: Path) -> None:
    """The caller left, the assistant right; of a reply that was cut, what was heard."""
    house = House(llm=ScriptedLlm([[STORY]]), tts=ScriptedTts(chunk_ms=60_000))
    async with calling(house, recorded_in=tmp_path) as call:
        question = speak("Tell me")
        await call.stream(question + bytes(bytes_of_ms(600, STT_RATE_HZ)))
        await call.until(wire.AudioOut)
        began_ms = call.when(wire.AudioOut) - FRAME_MS  # the session is a frame older than its first event
        await call.pass_ms(3_000)
        await call.send(wire.Stop())
        await call.until(wire.Interrupted)
    heard_ms = call.one(wire.Interrupted).heard_ms
    with wave.open(io.BytesIO(mix_down(tape_in(tmp_path)))) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, STT_RATE_HZ)
        both = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2)
    caller, assistant = both[:, 0], both[:, 1]
    assert caller[: len(question) // 2].tobytes() == question
    (sounding,) = np.nonzero(assistant)
    assert sounding[0] * 1000 / STT_RATE_HZ == pytest.approx(began_ms, abs=2 * FRAME_MS)
    assert (sounding[-1] - sounding[0]) * 1000 / STT_RATE_HZ == pytest.approx(heard_ms, abs=5)


@pytest.mark.parametrize("encoding", ["pcm16", "mp3", "opus", "mulaw"])
async def test_a_reply_can_be_heard_in_whatever_format_it_was_sent(encoding: str, tmp_path: Path) -> None:
    async with calling(changes=sent_as(encoding), recorded_in=tmp_path) as call:
        await call.send(wire.TextIn("Say something"))
        await call.until(wire.Metrics)
    sent_ms = call.one(wire.AudioEnd).duration_ms
    tape = tape_in(tmp_path)
    assert not tape.heard
    with wave.open(io.BytesIO(mix_down(tape))) as sound:
        assert sound.getnframes() * 1000 / STT_RATE_HZ >= sent_ms - 1


async def test_without_audio_it_holds_words_and_can_be_replayed(tmp_path: Path) -> None:
    house = House(recorder_limits=RecorderLimits(keeps_audio=False))
    async with calling(house, recorded_in=tmp_path) as call:
        await call.say("What is the time?")
        await call.until(wire.Metrics)
    tape = tape_in(tmp_path)
    assert not tape.heard
    assert any("AudioOut" in str(step.wishes) for step in tape.steps)
    with pytest.raises(RecordingError, match="holds no audio"):
        mix_down(tape)
    assert first_difference(tape) is None


async def test_a_recording_is_its_owners_alone_and_the_client_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    async with calling(recorded_in=folder) as call:
        assert (await call.until(wire.InitAck)).config["recorded"] is True
    assert stat.S_IMODE(file_in(folder).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_recording_that_is_full_ends_and_its_session_does_not(tmp_path: Path) -> None:
    house = House(recorder_limits=RecorderLimits(session_bytes=100_000))
    async with calling(house, recorded_in=tmp_path) as call:
        await call.say("What is the time?", then_quiet_ms=5_000)
        await call.until(wire.Metrics)
        await call.send(wire.TextIn("And now?"))
        await call.until(wire.Metrics, 2)
    tape = tape_in(tmp_path)
    assert tape.end == "recording.session_mb is reached"
    assert len(file_in(tmp_path).read_bytes()) < 101_000
