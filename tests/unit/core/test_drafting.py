"""A reply is begun before its turn; if the user goes on, nothing of it remains."""

import pytest

from tests.unit.core.talk import NO_LLM, Talk
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.sentences import Sentence
from voice_server.core.wire import TurnMode

pytestmark = pytest.mark.unit

EAGER = TurnPolicy(TurnMode.VAD, early_starts=2)


def drafting(policy: TurnPolicy = EAGER, text: str = "Hello") -> Talk:
    """The user has fallen silent, and is understood."""
    talk = Talk(policy)
    talk.step(on.SpeechStarted(0), on.SpeechConfirmed(200), on.SpeechStopped(1_000))
    talk.step(on.Transcribed(1, 1, text))
    return talk


def write_draft(talk: Talk, text: str = "Hi there.") -> list[str]:
    assert talk.state.answering.draft is not None
    generation = talk.state.answering.draft.reply.generation
    chunk = on.AudioProduced(generation, b"", 900, len(text), "", "wav", 24_000)
    events = (on.ReplyWritten(generation, text), on.ReplyFinished(generation), chunk)
    return talk.step(*events, on.SpeechFinished(generation))


def test_the_model_begins_once_the_words_are_known() -> None:
    talk = Talk(EAGER)
    talk.step(on.SpeechStarted(0), on.SpeechStopped(1_000))
    assert talk.step(on.Transcribed(1, 1, "Hello")) == ["partial 'Hello'", "draft 1 to: Hello"]


def test_only_mind_and_mouth_know_of_a_draft() -> None:
    talk = drafting()
    assert write_draft(talk) == ["speak 'Hi there.'", "speak no more"]
    assert talk.history == []


def test_a_confirmed_draft_is_the_reply_all_at_once() -> None:
    talk = drafting()
    write_draft(talk)
    assert talk.step(on.SilenceReached(1_500), at=500) == [
        "stopped 1000",
        "processing",
        "close 1",
        "record user said 'Hello'",
        "transcription 'Hello'",
        "confirm 1",
        "chunk 'Hi there.'",
        "record written 'Hi there.'",
        "chunk '' final",
        "response 'Hi there.'",
        "speaking",
        "audio begins",
        "audio 0 of 900",
        "audio completed after 900",
        "end turn 1",
    ]
    assert talk.step(on.Tick(), at=1_400) == ["record heard 'Hi there.' complete", "listening"]
    (confirmed,) = (one for one in talk.commands if isinstance(one, do.ConfirmReply))
    assert (confirmed.basis.early_starts, confirmed.basis.was_drafted) == (1, True)
    assert confirmed.basis.lead_ms == 500


def test_a_draft_leaves_no_trace_when_the_user_goes_on() -> None:
    talk = drafting()
    write_draft(talk)
    assert talk.step(on.SpeechStarted(1_200)) == ["learn 200", "cancel 1"]
    talk.step(on.SpeechStopped(2_000))
    assert talk.step(on.Transcribed(1, 2, "Hello again"))[-1] == "draft 2 to: Hello again"
    talk.step(on.SilenceReached(2_500))
    assert talk.history == ["user: Hello again"]
    never = Talk()
    never.speak("Hello again")
    assert talk.turn_id == never.turn_id, "not even a number is missing"


def test_so_many_drafts_and_no_more() -> None:
    talk = drafting()
    for revision in (2, 3):
        talk.step(on.SpeechStarted(revision * 1_000), on.SpeechStopped(revision * 1_000 + 500))
        words = talk.step(on.Transcribed(1, revision, "Hello"))
        assert ("draft 2 to: Hello" in words) == (revision == 2)
    assert "reply 3 to: Hello" in talk.step(on.SilenceReached(9_000))
    assert not any(word.startswith("draft") for word in Talk(TurnPolicy(TurnMode.VAD)).speak())


@pytest.mark.parametrize("text", ["", "I would like to", "My number is 555"])
def test_no_draft_of_what_is_not_whole(text: str) -> None:
    assert drafting(text=text).state.answering.draft is None


@pytest.mark.parametrize(
    "event",
    [
        on.TextReceived("Two", ReplyOptions()),
        on.ClipReceived(1, ReplyOptions(paced=False)),
        on.Cleared(),
        on.PolicyChanged(EAGER),
    ],
)
def test_what_comes_between_drops_the_draft(event: on.Event) -> None:
    talk = drafting()
    assert "cancel 1" in talk.step(event)
    assert talk.state.answering.draft is None or talk.state.answering.draft.reply.generation > 1


def test_a_draft_that_fails_is_tried_again_as_the_turn() -> None:
    talk = drafting(TurnPolicy(TurnMode.VAD, early_starts=1))
    assert talk.step(on.ReplyFailed(1, NO_LLM)) == ["cancel 1"]
    assert "reply 2 to: Hello" in talk.step(on.SilenceReached(1_500))


def test_a_confirmed_draft_apologises_in_the_language_of_the_conversation() -> None:
    talk = Talk(EAGER)
    talk.step(on.PolicyChanged(EAGER, "de"))
    talk.step(on.SpeechStarted(0), on.SpeechStopped(1_000), on.Transcribed(1, 1, "Hello"))
    assert "confirm 1" in talk.step(on.SilenceReached(1_500))
    words = talk.step(on.ReplyFailed(1, NO_LLM))
    assert any(Sentence.NO_ANSWER.in_language("de") in word for word in words)


def test_no_draft_while_a_reply_is_heard() -> None:
    talk = Talk(TurnPolicy(TurnMode.VAD, interrupt=False, early_starts=2))
    talk.type()
    talk.write("One two three four.")
    talk.sound(1_900, 19, whole=True)
    assert not any(word.startswith("draft") for word in talk.speak("And then"))


def test_the_end_of_the_stream_confirms_a_draft() -> None:
    assert "confirm 1" in drafting().step(on.StreamClosed(1_100))
