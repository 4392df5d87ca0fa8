import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.core.history import History, Message
from voice_server.ids import MessageId

pytestmark = pytest.mark.unit


def message(number: int, text: str) -> Message:
    return Message(MessageId(f"m{number}"), "user" if number % 2 == 0 else "assistant", text)


def test_a_reply_of_which_nothing_was_heard_is_not_among_the_messages() -> None:
    history = History()
    history.add(message(0, "Hello"))
    history.add(message(1, ""))
    assert [one.text for one in history.messages] == ["Hello"]
    history.correct(message(1, "Hi"))
    assert [one.text for one in history.messages] == ["Hello", "Hi"]


def test_correcting_what_is_forgotten_changes_nothing() -> None:
    history = History((message(0, "Hello"),))
    history.correct(message(1, "Hi"))
    assert history.messages == (message(0, "Hello"),)


@given(st.lists(st.integers(0, 60), max_size=60))
def test_what_is_kept_is_the_newest_and_its_beginning_stays_for_long(lengths: list[int]) -> None:
    history, everything = History(max_chars=100), list[Message]()
    trims, added_chars = 0, 0
    for number, length in enumerate(lengths):
        one = message(number, "x" * length)
        before = history.messages
        history.add(one)
        everything.append(one)
        added_chars += length
        heard = tuple(old for old in everything if old.text)
        kept = history.messages
        assert kept == heard[len(heard) - len(kept) :]
        assert sum(len(old.text) for old in kept) <= 100
        if kept != before + ((one,) if one.text else ()):
            trims += 1
            assert sum(len(old.text) for old in kept) <= 60  # half, or the newest alone
    assert trims <= added_chars / 40  # each cut makes room for many messages


def test_a_message_too_long_for_the_history_is_kept_alone() -> None:
    history = History((message(0, "Hello"),), max_chars=10)
    history.add(message(1, "x" * 50))
    assert history.messages == (message(1, "x" * 50),)
