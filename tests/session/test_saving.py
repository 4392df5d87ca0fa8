"""What the caller is told is saved; while it cannot be, the caller learns that too, and the talk goes on."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

import pytest

from tests.fakes.journal import MemoryJournal
from tests.session.rig import House, calling
from voice_server.core import wire
from voice_server.core.commands import AssistantWrote, Entry, TurnMeasured, UserSaid
from voice_server.core.wire import EndReason
from voice_server.errors import StoreError

pytestmark = pytest.mark.session


@dataclass(slots=True)
class SlowJournal(MemoryJournal):
    """Takes its time, and fails where it is told to."""

    takes_ms: float = 0.0
    fails: bool = False

    def saving(self, entry: Entry) -> Awaitable[None]:
        return self._save()

    async def _save(self) -> None:
        await asyncio.sleep(self.takes_ms / 1000)
        if self.fails:
            raise StoreError("The disk is full.")


def kinds(outputs: list[wire.Output]) -> list[str]:
    return [type(one).__name__ for one in outputs]


async def test_a_transcript_and_a_reply_wait_until_they_are_saved() -> None:
    async with calling(House(journal=SlowJournal(takes_ms=100))) as call:
        await call.say("Hello")
        await call.until(wire.Metrics)
        waited_ms = call.when(wire.TranscriptionOut)
        assert call.when(wire.SpeechStoppedOut) + 100 <= waited_ms < call.when(wire.SpeechStoppedOut) + 250
        assert not call.all(wire.ErrorOut)
        assert [one.seq for one in call.told] == list(
            range(call.told[0].seq, call.told[0].seq + len(call.told))
        )


@pytest.mark.parametrize(("takes_ms", "told_after_ms"), [(0.0, 0.0), (100.0, 100.0), (1_000.0, 250.0)])
async def test_what_cannot_be_saved_is_said_all_the_same(takes_ms: float, told_after_ms: float) -> None:
    async with calling(House(journal=SlowJournal(takes_ms=takes_ms, fails=True))) as call:
        await call.say("Hello")
        await call.until(wire.Metrics)
        assert call.when(wire.TranscriptionOut) == pytest.approx(
            call.when(wire.SpeechStoppedOut) + told_after_ms, abs=20
        )
        for kind in ("TranscriptionOut", "AiResponse"):
            place = kinds(call.outputs).index(kind)
            error = call.outputs[place + 1]
            assert isinstance(error, wire.ErrorOut)
            assert (error.code, error.retryable, error.stage) == ("not_saved", True, "internal")
            assert error.turn_id is not None
        assert call.one(wire.AiResponse).text == "You said: Hello"
        assert call.one(wire.AudioEnd).reason is EndReason.COMPLETED
        await call.pass_ms(takes_ms)


async def test_the_pipeline_does_not_wait_for_it() -> None:
    async with calling(House(journal=SlowJournal(takes_ms=200))) as slow:
        await slow.say("Hello")
        await slow.until(wire.Metrics)
    async with calling() as quick:
        await quick.say("Hello")
        await quick.until(wire.Metrics)
    assert slow.when(wire.AudioOut) <= quick.when(wire.AudioOut) + 20  # nor does the sound
    assert slow.when(wire.TranscriptionOut) >= quick.when(wire.TranscriptionOut) + 180
    ends = [one for one in kinds(slow.outputs) if one in ("AiResponse", "AudioEnd", "Metrics")]
    assert ends == ["AiResponse", "AudioEnd", "Metrics"]


async def test_sound_does_not_overtake_the_end_of_the_sound_before_it() -> None:
    async with calling(House(journal=SlowJournal(takes_ms=240))) as call:
        await call.say("Hello", then_quiet_ms=600)
        await call.until(wire.AudioOut)
        assert not call.all(wire.AiResponse)  # it waits to be saved, and the end of its sound behind it
        await call.send(wire.TextIn("Stop that"))
        await call.until(wire.Metrics, 2)
        sounds = [one for one in kinds(call.outputs) if one in ("AudioStart", "AudioEnd")]
        assert sounds == ["AudioStart", "AudioEnd"] * 2


async def test_the_end_waits_for_what_is_being_saved() -> None:
    async with calling(House(journal=SlowJournal(takes_ms=100))) as call:
        await call.send(wire.TextIn("Hello", wants_audio=False))
        while not any(isinstance(entry, AssistantWrote) for _, entry in call.journal.entries):
            await call.pass_ms(1)
        await call.send(wire.End())
        await call.until(wire.SessionEnded)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        assert not call.all(wire.ErrorOut)


async def test_a_turn_is_recorded_with_its_measures() -> None:
    async with calling() as call:
        await call.say("Hello")
        metrics = await call.until(wire.Metrics)
        entries = [entry for _, entry in call.journal.entries]
        assert any(isinstance(one, UserSaid) and one.spoken for one in entries)
        assert [one.metrics for one in entries if isinstance(one, TurnMeasured)] == [metrics]
