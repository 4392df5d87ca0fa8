import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import HandClock
from voice_server.clock import Instant
from voice_server.core.wire import AudioOut, AudioStart, Interrupted, Output, Pong, Status, StatusKind
from voice_server.ids import TurnId
from voice_server.session.outbox import Outbox, audio_ms

pytestmark = pytest.mark.unit

TURN = TurnId("t")


def chunk(duration_ms: float = 100.0, size_bytes: int = 100) -> AudioOut:
    return AudioOut(TURN, bytes(size_bytes), 0, duration_ms)


def outbox(clock: HandClock | None = None, keep_bytes: int = 10_000, unsent_bytes: int = 10_000) -> Outbox:
    return Outbox(clock or HandClock(), keep_bytes, 30_000, unsent_bytes)


async def test_outputs_are_numbered_from_one_and_taken_in_order() -> None:
    box = outbox()
    box.put(Pong(1))
    box.put(Pong(2))
    assert [(one.seq, one.output) for one in await box.take()] == [(1, Pong(1)), (2, Pong(2))]
    box.sent(1)
    assert [one.seq for one in await box.take()] == [2]  # what is not sent is taken again
    assert box.last_seq == 2


async def test_a_reader_waits_for_news_and_ends_with_the_box() -> None:
    box = outbox()
    reader = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    assert not reader.done()
    box.put(Pong(1))
    assert len(await reader) == 1
    box.close()
    assert len(await box.take()) == 1  # what is left
    box.sent(1)
    assert await box.take() == []


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    box = outbox()
    reader = asyncio.create_task(box.take())
    await asyncio.sleep(0)
    box.put(Pong(1))
    reader.cancel()
    await asyncio.wait({reader})
    assert [one.seq for one in await box.take()] == [1]


async def test_a_resumed_reader_begins_where_it_left_off() -> None:
    box = outbox()
    for number in range(5):
        box.put(Pong(number))
    box.sent(5)
    assert box.holds_after(2) and box.after(2) == [Pong(2), Pong(3), Pong(4)]
    box.rewind(2)
    assert [one.seq for one in await box.take()] == [3, 4, 5]
    assert not box.holds_after(6)
    assert not box.holds_after(-1)


def test_what_was_sent_is_kept_for_a_while() -> None:
    clock = HandClock()
    box = outbox(clock)
    box.put(Pong(1))
    box.sent(1)
    clock.at = Instant(30_000)
    box.put(Pong(2))
    assert box.holds_after(0)
    clock.at = Instant(30_001)
    box.put(Pong(3))
    assert not box.holds_after(0) and box.holds_after(1)


def test_what_was_sent_is_kept_up_to_a_size() -> None:
    box = outbox(keep_bytes=1_000)
    for seq in range(1, 5):
        box.put(chunk(size_bytes=200))  # and 200 for what is around it
        box.sent(seq)
    assert box.holds_after(2) and not box.holds_after(1)


def test_what_was_not_sent_is_kept_whatever_its_size_until_there_is_too_much() -> None:
    box = outbox(keep_bytes=1_000, unsent_bytes=2_000)
    for _ in range(7):
        box.put(chunk(size_bytes=200))
    assert box.holds_after(0) and not box.is_overfull
    box.put(chunk(size_bytes=200))
    assert box.is_overfull


def test_how_much_audio_of_the_newest_reply_there_is() -> None:
    begin: Output = AudioStart(TURN, "wav", 24_000)
    other: Output = Status(StatusKind.SPEAKING)
    assert audio_ms([]) == 0
    assert audio_ms([chunk(), other, chunk(50)]) == 150
    assert audio_ms([chunk(), begin, chunk(50)]) == 50
    assert audio_ms([chunk(), Interrupted(TURN, "", 0, "speech")]) == 0


@given(st.lists(st.sampled_from(["put", "send", "drop", "wait"]), max_size=60), st.randoms())
def test_whatever_happens_nothing_is_lost_or_doubled(acts: list[str], chance: Random) -> None:
    """A connection that is sent things, drops, comes back with the last number it has, or may not."""
    clock = HandClock()
    box = outbox(clock, keep_bytes=2_000)
    got: list[int] = []
    on_the_way: list[int] = []
    for act in acts:
        match act:
            case "put":
                box.put(Pong())
            case "send" if box.last_seq > (on_the_way or got or [0])[-1]:
                seq = (on_the_way or got or [0])[-1] + 1
                assert box.holds_after(seq - 1)  # what was never sent is there
                box.sent(seq)
                on_the_way.append(seq)
            case "drop":
                arrived = chance.randint(0, len(on_the_way))
                got, on_the_way = got + on_the_way[:arrived], []
                if not box.holds_after(got[-1] if got else 0):
                    return  # refused: a new session
                box.rewind(got[-1] if got else 0)
            case _:
                clock.at = Instant(clock.at + 7_000)
    assert got + on_the_way == list(range(1, len(got + on_the_way) + 1))


async def test_once_closed_it_keeps_only_what_is_still_to_be_sent() -> None:
    box = outbox()
    for number in (1, 2, 3):
        box.put(Pong(number))
    box.sent(2)
    assert box.holds_after(0)
    box.close()
    assert not box.holds_after(0)
    assert [one.output for one in await box.take()] == [Pong(3)]
    box.sent(3)
    assert box.after(0) == []
    assert await box.take() == []
