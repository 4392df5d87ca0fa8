"""A reply is cut, and only what was heard is remembered."""

import pytest

from tests.unit.core.talk import MANUAL, NO_LLM, NO_TTS, PATIENT, Talk
from voice_server.clock import Instant
from voice_server.core import events as on
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.wire import TurnMode

pytestmark = pytest.mark.unit

TEXT = "One two three four."  # 19 characters, told to last 1.9 s


def replying(policy: TurnPolicy | None = None, *, whole: bool = True, sent_ms: float = 1_900) -> Talk:
    """At 0 ms, a reply has been written and partly sent."""
    talk = Talk(policy) if policy else Talk()
    talk.type()
    talk.write(TEXT)
    talk.sound(sent_ms, int(sent_ms / 100), whole=whole)
    return talk


CUT = [
    "cancel 1",
    "interrupted by {cause} at 800: 'One two'",
    "audio interrupted after 1900",
    "end turn 1",
    "record heard 'One two'",
]


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (on.StopRequested(), "stop"),
        (on.TextReceived("Two", ReplyOptions()), "message"),
        (on.ClipReceived(1, ReplyOptions()), "message"),
    ],
)
def test_a_cut_in_the_middle(event: on.Event, cause: str) -> None:
    talk = replying(whole=False)
    words = talk.step(event, at=800)
    assert words[:5] == [word.format(cause=cause) for word in CUT]


def test_only_a_confirmed_voice_cuts() -> None:
    talk = replying(whole=False)
    assert talk.step(on.SpeechStarted(0), at=600) == ["open 2 from 0", "started 0"]
    assert not any(word.startswith("interrupted") for word in talk.step(on.SpeechStopped(100), at=700))
    talk.step(on.SpeechStarted(200))
    assert talk.step(on.SpeechConfirmed(400), at=800)[:5] == [word.format(cause="speech") for word in CUT]


def test_a_short_word_cuts_once_it_is_understood() -> None:
    talk = replying(whole=False)
    talk.step(on.SpeechStarted(0), on.SpeechStopped(100), on.SilenceReached(600))
    words = talk.step(on.Transcribed(2, 1, "No."), at=800)
    assert words[1:6] == [word.format(cause="speech") for word in CUT]


def test_a_cough_is_no_turn() -> None:
    talk = replying(whole=False)
    talk.step(on.SpeechStarted(0), on.SpeechStopped(100), on.SilenceReached(600))
    assert talk.step(on.Transcribed(2, 1, "")) == ["close 2"]


def test_nothing_of_a_cut_reply_follows() -> None:
    talk = replying(whole=False)
    talk.step(on.StopRequested(), at=800)
    late: list[on.Event] = [
        on.ReplyWritten(1, "more"),
        on.ReplyFinished(1),
        on.ToolCalled(1, "c", "clock", "{}"),
        on.AudioProduced(1, b"", 100, 19, "", "wav", 24_000),
        on.SpeechFinished(1),
        on.StopRequested(),
        on.Tick(),
    ]
    assert talk.step(*late) == []


def test_nothing_of_a_cut_reply_gets_into_the_next() -> None:
    talk = replying(whole=False)
    talk.type("Two")
    late: list[on.Event] = [
        on.ReplyWritten(1, "more"),
        on.ReplyFinished(1),
        on.ToolCalled(1, "c", "clock", "{}"),
        on.AudioProduced(1, b"", 100, 19, "", "wav", 24_000),
        on.SpeechFinished(1),
        on.SpeechFailed(1, NO_TTS),
        on.ReplyFailed(1, NO_LLM),
    ]
    assert talk.step(*late) == []
    assert talk.write("Yes.")[-2] == "response 'Yes.'"


def test_a_cut_before_there_was_anything() -> None:
    talk = Talk()
    talk.type()
    assert talk.step(on.StopRequested()) == [
        "cancel 1",
        "interrupted by stop at 0: ''",
        "end turn 1",
        "listening",
    ]
    assert talk.history == ["user: Hello"]


def test_the_tail_may_be_cut() -> None:
    talk = replying()
    assert talk.step(on.StopRequested(), at=800) == [
        "cancel 1",
        "interrupted by stop at 800: 'One two'",
        "record heard 'One two'",
        "listening",
    ]
    assert talk.history == ["user: Hello", "assistant: One two"]


def test_what_was_heard_to_its_end_cannot_be_cut() -> None:
    talk = replying()
    assert talk.step(on.StopRequested(), at=1_900) == [f"record heard {TEXT!r} complete", "listening"]


def test_the_reply_to_a_recording_is_never_cut_after_it_was_sent() -> None:
    talk = Talk()
    talk.step(on.ClipReceived(1, ReplyOptions(paced=False)), on.Transcribed(1, 1, "Hello"))
    talk.write(TEXT)
    talk.sound(1_900, 19, whole=True)
    assert talk.step(on.StopRequested()) == []


def test_a_reply_spared_from_speech_is_followed_by_what_was_said() -> None:
    talk = replying(PATIENT)
    words = talk.speak("And then")
    assert not any(word.startswith(("interrupted", "transcription")) for word in words)
    words = talk.step(on.Tick(), at=1_900)
    assert words[0] == f"record heard {TEXT!r} complete"
    assert words[-1] == f"reply 2 to: Hello | {TEXT} | And then"


@pytest.mark.parametrize("event", [on.StopRequested(), on.TextReceived("Two", ReplyOptions())])
def test_a_reply_spared_from_speech_is_not_spared_from_the_rest(event: on.Event) -> None:
    talk = replying(PATIENT, whole=False)
    assert talk.step(event, at=800)[0] == "cancel 1"


def test_the_button_cuts_even_a_reply_spared_from_speech() -> None:
    talk = replying(TurnPolicy(TurnMode.MANUAL, interrupt=False), whole=False)
    assert talk.step(on.Cleared(), at=800)[1] == "interrupted by speech at 800: 'One two'"
    talk = replying(whole=False)
    assert talk.step(on.Cleared(), at=800) == []
    talk = replying(MANUAL, whole=False)
    assert talk.step(on.InputBegan(0), at=800) == ["open 2 from 0"]


# ── What the client reports ──────────────────────────────────────────────────────────────────────


def test_reports_say_what_was_heard() -> None:
    talk = replying(whole=False)
    talk.step(on.PlaybackReported(talk.turn_id, 200), at=1_000)
    assert talk.step(on.StopRequested(), at=1_600)[1] == "interrupted by stop at 800: 'One two'"


def test_a_report_of_more_than_was_sent_is_of_what_was_sent() -> None:
    talk = replying(whole=False, sent_ms=800)
    talk.step(on.PlaybackReported(talk.turn_id, 9_000), at=100)
    assert talk.step(on.StopRequested())[1] == "interrupted by stop at 800: 'One two'"


def test_a_report_puts_the_end_of_listening_off() -> None:
    talk = replying()
    talk.step(on.PlaybackReported(talk.turn_id, 1_000), at=1_500)
    assert talk.state.wake_at == Instant(2_400)
    assert talk.step(on.Tick(), at=2_399) == []
    assert talk.step(on.Tick(), at=2_400) == [f"record heard {TEXT!r} complete", "listening"]


def test_a_report_within_a_second_corrects_the_past_without_a_frame() -> None:
    talk = replying(whole=False)
    turn_id = talk.turn_id
    talk.step(on.StopRequested(), at=800)
    assert talk.step(on.PlaybackReported(turn_id, 1_300), at=1_000) == ["record heard 'One two three'"]
    assert talk.step(on.PlaybackReported(turn_id, 400), at=1_800) == ["record heard 'One'"]
    assert talk.step(on.PlaybackReported(turn_id, 400)) == []
    assert talk.step(on.PlaybackReported(turn_id, 1_300), at=1_801) == []
    assert talk.history == ["user: Hello", "assistant: One"]


def test_a_correction_comes_in_its_place_in_the_past() -> None:
    talk = replying(whole=False)
    turn_id = talk.turn_id
    talk.step(on.TextReceived("Two", ReplyOptions()), at=800)
    talk.step(on.PlaybackReported(turn_id, 100), at=900)
    assert talk.history == ["user: Hello", "user: Two"]
    talk.step(on.PlaybackReported(turn_id, 400))
    assert talk.history == ["user: Hello", "assistant: One", "user: Two"]


def test_reports_of_turns_that_are_over_are_ignored() -> None:
    talk = replying()
    turn_id = talk.turn_id
    talk.step(on.Tick(), at=1_900)
    assert talk.step(on.PlaybackReported(turn_id, 10)) == []
    assert talk.history[-1] == f"assistant: {TEXT}"


# ── Nobody listens ───────────────────────────────────────────────────────────────────────────────


def test_while_the_connection_is_down_the_playback_clock_stands_still() -> None:
    talk = replying()
    talk.step(on.Detached(0), at=500)
    assert talk.step(on.Tick(), at=20_000) == []
    talk.step(on.Attached(), at=20_000)
    assert talk.state.wake_at == Instant(21_400)
    assert talk.step(on.StopRequested(), at=20_300)[1] == "interrupted by stop at 800: 'One two'"


def test_audio_that_is_sent_again_was_not_heard() -> None:
    talk = replying()
    talk.step(on.Detached(0), at=1_800)
    talk.step(on.Attached(unreceived_ms=1_500), at=5_000)
    assert talk.step(on.StopRequested(), at=5_400)[1] == "interrupted by stop at 800: 'One two'"


def test_a_reply_that_begins_while_nobody_listens_is_heard_later() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.Detached(500), on.Transcribed(1, 1, "Hello"))
    talk.write(TEXT)
    talk.sound(1_900, 19, whole=True)
    assert talk.step(on.Tick(), at=20_000) == []
    talk.step(on.Attached(unreceived_ms=1_900), at=20_000)
    assert talk.step(on.StopRequested(), at=20_800)[1] == "interrupted by stop at 800: 'One two'"
