import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.clock import Instant
from voice_server.core.playout import Playout, whole_words

pytestmark = pytest.mark.unit

texts = st.text(st.sampled_from("ab,. \n"), max_size=60)


@given(texts, st.integers(-5, 70))
def test_whole_words_are_the_longest_beginning_that_splits_no_word(text: str, characters: int) -> None:
    kept = whole_words(text, characters)
    assert text.startswith(kept) and len(kept) <= max(characters, 0)

    def splits(end: int) -> bool:
        return 0 < end < len(text) and not (text[end].isspace() and not text[end - 1].isspace())

    assert not splits(len(kept))
    assert all(splits(end) for end in range(len(kept) + 1, min(characters, len(text)) + 1))


def test_a_word_of_which_a_part_was_heard_does_not_count() -> None:
    assert [whole_words("One two.", count) for count in (0, 2, 3, 4, 7, 8, 99)] == [
        "",
        "",
        "One",
        "One",
        "One",
        "One two.",
        "One two.",
    ]


def at(milliseconds: float) -> Instant:
    return Instant(milliseconds)


def test_chunks_queue_behind_each_other() -> None:
    playout = Playout()
    playout.send(1_000, 10, at(0))
    playout.send(1_000, 20, at(0))
    assert [playout.heard_ms(at(now)) for now in (0, 500, 1_500, 2_000, 9_000)] == [
        0,
        500,
        1_500,
        2_000,
        2_000,
    ]
    assert [playout.ahead_ms(at(now)) for now in (0, 500, 9_000)] == [2_000, 1_500, 0]
    assert playout.heard_by == at(2_000)
    playout.send(500, 25, at(3_000))  # the queue had run dry
    assert playout.heard_ms(at(3_100)) == 2_100


def test_characters_are_spread_over_their_audio() -> None:
    playout = Playout()
    playout.send(1_000, 10, at(0))
    playout.send(1_000, 10, at(0))  # words the model did not write
    playout.send(1_000, 30, at(0))
    asked = (0, 500, 999, 1_000, 1_999, 2_500, 3_000, 9_000)
    assert [playout.characters(heard_ms) for heard_ms in asked] == [0, 5, 9, 10, 10, 20, 30, 30]


def test_time_without_anything_left_to_play_is_not_heard_audio() -> None:
    playout = Playout()
    playout.send(1_000, 10, at(0))
    playout.report(1_000, at(1_000))
    playout.send(1_000, 20, at(9_000))  # the reply had paused for eight seconds
    assert playout.heard_ms(at(9_000)) == 1_000
    assert playout.heard_ms(at(9_300)) == 1_300
    assert playout.heard_by == at(10_000)


def test_unpaced_audio_is_heard_once_sent_unless_reported() -> None:
    playout = Playout(paced=False)
    playout.send(60_000, 10, at(0))
    assert (playout.heard_ms(at(0)), playout.ahead_ms(at(0)), playout.heard_by) == (60_000, 0, at(0))
    playout.report(500, at(1_000))
    assert playout.heard_ms(at(1_100)) == 600


sends = st.tuples(st.just("send"), st.integers(0, 1_000))
reports = st.tuples(st.sampled_from(["report", "hold"]), st.integers(-100, 5_000))
pauses = st.tuples(st.just("pause"), st.just(0))
resumes = st.tuples(st.just("resume"), st.integers(0, 2_000))
acts = st.lists(st.tuples(st.integers(0, 800), sends | reports | pauses | resumes), max_size=30)


@given(acts, st.booleans())
def test_what_was_heard_is_never_more_than_was_sent_or_could_be(
    acts: list[tuple[int, tuple[str, int]]], paced: bool
) -> None:
    playout, now, sent_ms = Playout(paced=paced), 0.0, 0.0
    last_report: tuple[float, float] | None = None
    for pause_ms, (act, value) in acts:
        before_ms = playout.heard_ms(at(now))
        now += pause_ms
        assert (
            before_ms <= playout.heard_ms(at(now)) <= before_ms + (pause_ms if not playout.is_paused else 0)
        )
        match act:
            case "send":
                playout.send(value, int(sent_ms), at(now))
                sent_ms += value
            case "report" | "hold":
                playout.report(value, at(now), is_paused=act == "hold")
                last_report = (max(value, 0.0), now)
            case "pause":
                playout.pause(at(now))
            case _:
                playout.resume(min(value, sent_ms), at(now))
        heard_ms = playout.heard_ms(at(now))
        assert 0 <= heard_ms <= playout.sent_ms == sent_ms
        if last_report is not None:
            assert heard_ms <= last_report[0] + now - last_report[1]
        assert 0 <= playout.characters(heard_ms) <= sent_ms
    if not playout.is_paused:
        assert playout.heard_ms(playout.heard_by) == pytest.approx(sent_ms) or playout.heard_by <= now


def test_what_is_held_is_neither_heard_nor_made_room_for() -> None:
    playout = Playout()
    playout.send(3_000, 30, at(0))
    playout.report(900, at(1_000), is_paused=True)
    assert (playout.heard_ms(at(9_000)), playout.ahead_ms(at(9_000))) == (900, 2_000)
    playout.report(900, at(9_000))
    assert (playout.heard_ms(at(9_500)), playout.ahead_ms(at(9_500))) == (1_400, 1_500)


@given(st.lists(st.tuples(st.integers(1, 1_000), st.integers(0, 100)), min_size=1, max_size=10))
def test_more_heard_is_never_fewer_characters(chunks: list[tuple[int, int]]) -> None:
    playout = Playout()
    for duration_ms, end_char in chunks:
        playout.send(duration_ms, end_char, at(0))
    counts = [playout.characters(heard_ms) for heard_ms in range(0, int(playout.sent_ms) + 50, 50)]
    assert counts == sorted(counts) and counts[-1] == max(end for _, end in chunks)
