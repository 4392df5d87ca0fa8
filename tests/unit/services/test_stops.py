"""A reply ends before its first stop sequence, however it is cut into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from voice_server.services.stops import StopCutter

letters = st.text(alphabet="abc", max_size=20)


def cut(pieces: list[str], stops: list[str]) -> str:
    cutter = StopCutter(stops)
    shown = "".join(cutter.feed(piece) for piece in pieces)
    return shown + ("" if cutter.has_stopped else cutter.rest())


@given(st.lists(letters, max_size=8), st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3))
def test_it_is_the_text_up_to_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    shown = cut(pieces, stops)
    assert text.startswith(shown)
    if not ends:
        assert shown == text
    else:
        assert len(shown) == min(ends) or not any(stop in shown for stop in stops)


def test_what_cannot_become_a_stop_is_shown_at_once() -> None:
    cutter = StopCutter(["END"])
    assert cutter.feed("Hello E") == "Hello "
    assert cutter.feed("ach") == "Each"
    assert cutter.feed(" one EN") == " one "
    assert cutter.feed("D and more") == ""
    assert cutter.has_stopped
    assert cutter.feed("more") == ""
