import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.session.clauses import LONGEST_CHARS, ClauseSplitter, Piece

pytestmark = pytest.mark.unit


def split(*texts: str) -> list[str]:
    """The pieces as they come, one list entry for each; `|` where more text was needed."""
    splitter = ClauseSplitter()
    pieces: list[str] = []
    for text in texts:
        pieces += [piece.text for piece in splitter.push(text)]
        pieces.append("|")
    return pieces + [piece.text for piece in splitter.finish()]


@pytest.mark.parametrize(
    ("texts", "pieces"),
    [
        (["It is late."], ["It is late.", "|"]),
        (["It is late. It is"], ["It is late.", "|", " It is"]),
        (["Is it? Yes! Well"], ["Is it?", " Yes!", "|", " Well"]),
        (['He said "no." Then'], ['He said "no."', "|", " Then"]),
        (["One\ntwo"], ["One\n", "|", "two"]),
        # The first clause is short, later ones are long.
        (["As a matter of fact, it is"], ["As a matter of fact,", "|", " it is"]),
        (["Well, it is"], ["|", "Well, it is"]),
        (["It is. As a matter of fact, it is"], ["It is.", "|", " As a matter of fact, it is"]),
        # Full stops that end nothing.
        (["Dr. Who lives at No. 5 here"], ["|", "Dr. Who lives at No. 5 here"]),
        (["It costs 3.", "50 today."], ["|", "It costs 3.50 today.", "|"]),
        (["It costs 3. ", "Then"], ["It costs 3.", "|", "|", " Then"]),
        (["At 5 p.m. we go."], ["At 5 p.m. we go.", "|"]),
        (["   \n "], ["|"]),
    ],
)
def test_where_a_reply_is_cut(texts: list[str], pieces: list[str]) -> None:
    assert [one for one in split(*texts) if one.strip()] == pieces


def test_a_text_without_any_stop_is_cut_between_words() -> None:
    pieces = [one for one in split("word " * 100) if one != "|"]
    assert all(len(piece) <= LONGEST_CHARS for piece in pieces)
    assert all(piece.strip().split() == ["word"] * len(piece.split()) for piece in pieces)


def test_own_words_stand_nowhere_in_the_reply() -> None:
    splitter = ClauseSplitter()
    splitter.push("One two")
    rest, own = splitter.own_words("Sorry.")
    assert (rest, own) == (Piece("One two", 0, 7), Piece("Sorry.", 7, 7))
    assert rest.is_written and not own.is_written


@given(st.lists(st.text(st.sampled_from('aB1 .,!?\n"—'), max_size=40), max_size=12))
def test_the_pieces_are_the_reply_wherever_it_is_torn(texts: list[str]) -> None:
    splitter = ClauseSplitter()
    pieces = [piece for text in texts for piece in splitter.push(text)] + splitter.finish()
    whole = "".join(texts)
    end = 0
    for piece in pieces:
        assert whole[piece.start : piece.end] == piece.text and piece.text.strip()
        assert not whole[end : piece.start].strip()  # nothing but white space is left out
        end = piece.end
    assert not whole[end:].strip()


def test_words_are_told_once_and_whole() -> None:
    piece = Piece("One two three.", 0, 14)
    assert piece.words(0, 0) == ("", 0)
    assert piece.words(0, 5) == ("One two", 7)
    assert piece.words(7, 6) == ("", 7)
    assert piece.words(7, 14) == ("three.", 14)
