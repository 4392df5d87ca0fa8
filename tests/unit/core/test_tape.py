"""A recording says what it was told to, in whatever state it is found."""

from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.talk import Talk
from voice_server import errors
from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.history import Message
from voice_server.core.pauses import Pauses
from voice_server.core.policy import TurnPolicy
from voice_server.core.replay import first_difference, replay
from voice_server.core.tape import Beginning, End, Heard, Line, Step, Tape, Title, as_recorded, encode, read
from voice_server.errors import RecordingError, VoiceServerError
from voice_server.ids import ConversationId, MessageId

pytestmark = pytest.mark.unit

BEGINNING = Beginning("", ConversationId("c"), TurnPolicy(early_starts=2))
TITLE = Title("sess_1", "2026-01-01T00:00:00+00:00", "1.0", BEGINNING)

finite = st.floats(allow_nan=False, allow_infinity=False)
kinds_of_error = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VoiceServerError)
]
known_errors = st.builds(
    lambda kind, message, code: kind(message, code=code),
    st.sampled_from(kinds_of_error),
    st.text(),
    st.text(min_size=1),
)
parts: dict[Any, st.SearchStrategy[Any]] = {
    float: finite,
    float | None: st.none() | finite,
    int: st.integers(-(2**53), 2**53),
    Instant: finite,
    tuple[tuple[float, int], ...]: st.lists(st.tuples(finite, st.integers(0, 9_000))).map(tuple),
    tuple[float, ...]: st.lists(finite).map(tuple),
    VoiceServerError: known_errors,
}


def any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any object of a dataclass, its floats finite, as no moment or position is not."""
    return st.builds(kind, **{name: part_of(hint) for name, hint in get_type_hints(kind).items()})


def part_of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in parts:
        return parts[hint]
    return any_of(hint) if hasattr(hint, "__dataclass_fields__") else st.from_type(hint)


events = st.one_of([any_of(kind) for kind in get_args(on.Event)])


def taped(*lines: Line, keeps_audio: bool = True) -> Tape:
    return read([encode(line, keeps_audio=keeps_audio) for line in (TITLE, *lines)])


def told(error: VoiceServerError) -> tuple[object, ...]:
    return type(error), error.code, error.message, error.stage, error.retryable


@given(event=events, at=finite)
def test_any_event_is_read_as_it_was_written(event: on.Event, at: float) -> None:
    (step,) = taped(Step(Instant(at), event, [])).steps
    assert step.at == at
    if isinstance(event, on.TranscriptionFailed | on.ReplyFailed | on.SpeechFailed):
        assert type(step.event) is type(event)
        assert told(step.event.error) == told(event.error)
        assert as_recorded([step.event]) == as_recorded([event])
    else:
        assert step.event == event


@given(beginning=any_of(Beginning))
def test_any_beginning_is_read_as_it_was_written(beginning: Beginning) -> None:
    title = Title("sess_1", "", "", beginning)
    assert read([encode(title)]).title == title


def test_an_error_nobody_else_knows_is_read_as_what_it_is_one_of() -> None:
    class VendorError(errors.ProviderError):
        code = "vendor"

    failed = on.ReplyFailed(1, VendorError("It broke.", stage="llm", retryable=False))
    (step,) = taped(Step(Instant(0), failed, [])).steps
    assert isinstance(step.event, on.ReplyFailed)
    expected = (errors.ProviderError, "vendor", "It broke.", "llm", False)
    assert told(step.event.error) == expected


def lines_of(talk: Talk) -> Sequence[bytes]:
    """A short conversation, line by line."""
    conversation = BEGINNING.conversation()
    steps: list[tuple[on.Event, float]] = [
        (on.SpeechStarted(0), 0),
        (on.SpeechConfirmed(200, -20.0), 210),
        (on.SpeechStopped(900), 930.5),
        (on.Transcribed(1, 1, "What is it?", "en"), 1_000),
        (on.SilenceReached(2_400), 2_410),
        (on.ReplyWritten(1, "It is a cat."), 2_500),
        (on.ReplyFinished(1), 2_501),
        (on.AudioProduced(1, b"\0\1" * 200, 100, 12, "It is a cat.", "wav", 24_000), 2_600),
        (on.SpeechFinished(1), 2_601),
        (on.StopRequested(), 2_650),
    ]
    stepped = [Step(Instant(at), event, conversation.step(event, Instant(at))) for event, at in steps]
    lines: list[Line] = [TITLE, *stepped, Heard(Instant(5), 0.0, b"\0\1"), End("ended")]
    return [encode(line) for line in lines]


def test_the_same_conversation_wishes_the_same() -> None:
    tape = read(lines_of(Talk()))
    assert [one.is_same for one in replay(tape)] == [True] * 10
    assert any("Interrupted" in str(one.wishes) for one in replay(tape))
    assert (tape.end, tape.heard) == ("ended", [Heard(Instant(5), 0.0, b"\0\1")])


@given(cut=st.integers(1, 100_000))
def test_what_a_crash_cut_off_is_left_out(cut: int) -> None:
    lines = lines_of(Talk())
    rest = b"".join(lines)[: -(cut % (sum(map(len, lines[1:])) + 1)) or None]
    tape = read(rest.splitlines(keepends=True))
    whole = rest.count(b"\n") - 1
    assert len(tape.steps) in (min(whole, 10), min(whole + 1, 10))  # the last may lack its line's end only
    assert first_difference(tape) is None


def test_the_first_difference_is_told() -> None:
    lines = list(lines_of(Talk()))
    lines[5] = lines[5].replace(b'"generation":1', b'"generation":7')
    other = first_difference(read(lines))
    assert other is not None and other.step.wishes is not None and other.wishes is not None
    assert other.number == 5
    assert "7" in str(other.step.wishes[other.differs_at]) and "7" not in str(other.wishes)


def test_a_step_that_broke_is_the_same_only_if_it_breaks() -> None:
    lines = list(lines_of(Talk()))
    lines[4] = encode(Step(Instant(1_000), on.Transcribed(1, 1, "What is it?", "en"), None))
    other = first_difference(read(lines))
    assert other is not None and other.number == 4
    assert other.step.wishes is None and other.wishes


def test_a_conversation_that_breaks_is_replayed_up_to_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[do.Command]:
        raise ZeroDivisionError

    tape = read(lines_of(Talk()))
    monkeypatch.setattr("voice_server.core.conversation.Conversation._commit", broken)
    assert first_difference(tape) is None
    committed = Step(Instant(3_000), on.Committed(2_400), [])
    *before, last = replay(read([*lines_of(Talk())[:11], encode(committed), encode(committed)]))
    assert all(one.is_same for one in before) and len(before) == 10
    assert last.wishes is None and isinstance(last.error, ZeroDivisionError) and not last.is_same


def test_a_field_that_was_added_since_makes_no_difference() -> None:
    """What has its default is not written, so it is not missed either."""
    wished = do.OpenUtterance(1, 0.0), do.Settle(1, 1), do.Settle(1, 1, score=True)
    assert as_recorded(wished) == [
        {"OpenUtterance": {"utterance": 1, "from_ms": 0.0}},
        {"Settle": {"utterance": 1, "revision": 1}},
        {"Settle": {"utterance": 1, "revision": 1, "score": True}},
    ]


def test_a_beginning_makes_the_conversation_that_it_tells_of() -> None:
    message = Message(MessageId("m"), "user", "Hello")
    conversation = Beginning(
        "s", ConversationId("c"), messages=(message,), pauses=Pauses((1.0,))
    ).conversation()
    assert conversation.memory.history.messages == (message,)
    assert conversation.listening.pauses == Pauses((1.0,))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "not a recording"),
        ([b"RIFF\0\0\0\0WAVE"], "not a recording"),
        ([b'{"some":"json"}\n'], "not a recording"),
        ([b"[1, 2]\n"], "not a recording"),
        ([encode(TITLE).replace(b'"format":1', b'"format":2')], "has the format 2"),
        ([encode(TITLE), b'{"at":1.0,"event"\n'], "Line 2 .* damaged"),
        ([encode(TITLE), b'{"at":1.0,"event":{"Unheard":{}},"wishes":[]}\n'], "Line 2 .* does not know"),
        ([encode(TITLE), b'{"at":1.0,"event":{"SpeechStarted":{"at_ms":"x"}},"wishes":[]}\n'], "Line 2"),
        ([encode(TITLE), b'{"at":1.0,"event":{"SpeechStarted":{"at_ms":1}},"wishes":{}}\n'], "Line 2"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(lines: list[bytes], sentence: str) -> None:
    with pytest.raises(RecordingError, match=sentence):
        read(lines)
