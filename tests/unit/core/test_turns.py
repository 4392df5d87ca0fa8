"""How a turn begins, what is told in it and in which order, how it ends."""

import pytest

from tests.unit.core.talk import MANUAL, PATIENT, SEMANTIC, VAD, Talk
from voice_server.clock import Instant
from voice_server.core import events as on
from voice_server.core import wire
from voice_server.core.commands import Record, StartReply
from voice_server.core.history import History, Message
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.sentences import Sentence
from voice_server.core.wire import TurnMode
from voice_server.ids import ConversationId, MessageId

pytestmark = pytest.mark.unit

NOT_HEARD = Sentence.NOT_HEARD.in_language("en")


def test_a_spoken_turn_from_the_first_sound_to_the_last_word_heard() -> None:
    talk = Talk()
    assert talk.step(on.StreamOpened()) == ["listening"]
    assert talk.step(on.SpeechStarted(100)) == ["open 1 from 100", "started 100"]
    assert talk.step(on.PartialTranscribed(1, "Hel")) == ["partial 'Hel'"]
    assert talk.step(on.PartialTranscribed(1, "Hel"), on.PartialTranscribed(1, "")) == []
    assert talk.step(on.SpeechStopped(900)) == ["settle 1.1", "watch until 1400"]
    assert talk.step(on.Transcribed(1, 1, " Hello ")) == ["partial 'Hello'"]
    assert talk.step(on.SilenceReached(1_399)) == []
    assert talk.step(on.SilenceReached(1_400)) == [
        "stopped 900",
        "processing",
        "close 1",
        "record user said 'Hello'",
        "transcription 'Hello'",
        "reply 1 to: Hello",
    ]
    assert talk.write("Hi, ", "you.") == [
        "chunk 'Hi, '",
        "speak 'Hi, '",
        "chunk 'you.'",
        "speak 'you.'",
        "record written 'Hi, you.'",
        "chunk '' final",
        "response 'Hi, you.'",
        "speak no more",
    ]
    assert talk.sound(400, 4) == ["speaking", "audio begins", "audio 0 of 400"]
    assert talk.sound(300, 8, whole=True) == ["audio 1 of 300", "audio completed after 700", "end turn 1"]
    assert talk.state.wake_at == Instant(700)
    assert talk.step(on.Tick(), at=699) == []
    assert talk.step(on.Tick(), at=700) == ["record heard 'Hi, you.' complete", "listening"]
    assert talk.history == ["user: Hello", "assistant: Hi, you."]
    assert talk.state.wake_at is None


def test_audio_may_come_before_the_text_is_whole() -> None:
    talk = Talk()
    talk.type()
    talk.write("Hi, ", whole=False)
    assert talk.sound(100, 4) == ["speaking", "audio begins", "audio 0 of 100"]
    assert talk.write("you.")[0] == "chunk 'you.'"
    assert talk.sound(100, 8, whole=True)[-1] == "end turn 1"


@pytest.mark.parametrize(
    ("policy", "probability", "until_ms"),
    [
        (SEMANTIC, 0.71, 1_250),
        (SEMANTIC, 0.7, 1_500),
        (SEMANTIC, 0.3, 1_500),
        (SEMANTIC, 0.29, 2_000),
        (TurnPolicy(TurnMode.SEMANTIC, silence_ms=800), 0.9, 1_400),
        (VAD, 0.9, 1_500),
        (VAD, 0.1, 1_500),
    ],
)
def test_how_finished_it_sounds_sets_the_wait(
    policy: TurnPolicy, probability: float, until_ms: float
) -> None:
    talk = Talk(policy)
    talk.step(on.SpeechStarted(0))
    scored = " and score" if policy.mode is TurnMode.SEMANTIC else ""
    assert talk.step(on.SpeechStopped(1_000)) == [
        f"settle 1.1{scored}",
        f"watch until {1_000 + policy.silence_ms:g}",
    ]
    assert talk.step(on.EndOfTurnScored(1, 1, probability)) == [f"watch until {until_ms}"]
    assert talk.step(on.SilenceReached(until_ms - 1)) == []
    assert talk.step(on.SilenceReached(until_ms))[0] == "stopped 1000"


def test_a_judgement_of_what_was_said_before_the_user_went_on_is_worthless() -> None:
    talk = Talk(SEMANTIC)
    talk.step(on.SpeechStarted(0), on.SpeechStopped(1_000), on.SpeechStarted(1_200))
    assert talk.step(on.EndOfTurnScored(1, 1, 0.9), on.EndOfTurnScored(1, 2, 0.9)) == []
    talk.step(on.SpeechStopped(2_000))
    assert talk.step(on.EndOfTurnScored(1, 1, 0.9)) == []
    assert talk.step(on.EndOfTurnScored(1, 2, 0.9)) == ["watch until 2250"]


def test_going_on_after_a_pause_is_the_same_utterance() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.SpeechStopped(1_000))
    assert talk.step(on.SpeechStarted(1_200)) == []
    assert talk.step(on.SilenceReached(9_000)) == []
    assert talk.step(on.SpeechStopped(2_000)) == ["settle 1.2", "watch until 2500"]
    assert talk.step(on.Transcribed(1, 1, "I think")) == []  # of the first stretch alone
    talk.step(on.SilenceReached(2_500))
    assert "transcription 'I think so'" in talk.step(on.Transcribed(1, 2, "I think so"))


def test_going_on_before_the_transcript_takes_the_utterance_back() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.SpeechStopped(1_000))
    assert talk.step(on.SilenceReached(1_500)) == ["stopped 1000", "processing"]
    assert talk.step(on.SpeechStarted(1_600)) == ["started 1600", "listening"]
    assert talk.step(on.Transcribed(1, 1, "I think")) == []
    talk.step(on.SpeechStopped(2_000))
    assert talk.step(on.SilenceReached(2_500)) == ["stopped 2000", "processing"]
    assert "transcription 'I think so'" in talk.step(on.Transcribed(1, 2, "I think so"))


def test_a_turn_that_has_begun_is_not_taken_back() -> None:
    talk = Talk()
    talk.speak("One")
    assert talk.step(on.SpeechStarted(2_000)) == ["open 2 from 2000", "started 2000"]


def test_a_typed_turn_is_not_transcribed() -> None:
    talk = Talk()
    assert talk.type() == ["record user typed 'Hello'", "processing", "reply 1 to: Hello"]


def test_a_text_only_turn() -> None:
    talk = Talk()
    talk.type(wants_audio=False)
    assert talk.write("Hi.") == [
        "chunk 'Hi.'",
        "record written 'Hi.'",
        "chunk '' final",
        "response 'Hi.'",
        "end turn 1",
        "record heard 'Hi.' complete",
        "listening",
    ]


def test_white_space_before_the_first_word_is_not_told() -> None:
    talk = Talk()
    talk.type(wants_audio=False)
    assert talk.write("\n", " ", " Hi", " there.")[:2] == ["chunk 'Hi'", "chunk ' there.'"]
    assert talk.history[-1] == "assistant: Hi there."


def test_a_recording_is_a_turn_heard_once_sent() -> None:
    talk = Talk()
    assert talk.step(on.ClipReceived(7, ReplyOptions(paced=False))) == [
        "processing",
        "transcribe clip 7 as 1.1",
    ]
    assert "transcription 'Hello'" in talk.step(on.Transcribed(1, 1, "Hello"))
    talk.write("Hi.")
    assert talk.sound(60_000, 3, whole=True)[-3:] == [
        "end turn 1",
        "record heard 'Hi.' complete",
        "listening",
    ]


def test_replies_to_live_input_are_paced_as_the_wire_wants() -> None:
    talk = Talk(is_paced=False)
    talk.speak()
    talk.write("Hi.")
    assert "record heard 'Hi.' complete" in talk.sound(60_000, 3, whole=True)


@pytest.mark.parametrize("clip", [True, False])
def test_utterances_are_answered_in_the_order_in_which_they_came(clip: bool) -> None:
    talk = Talk()
    talk.step(on.ClipReceived(1, ReplyOptions(paced=False)))
    later = on.ClipReceived(2, ReplyOptions(paced=False)) if clip else on.TextReceived("Two", ReplyOptions())
    talk.step(later, on.Transcribed(2, 1, "Two"))
    assert "transcription 'One'" not in [*talk.step(on.Tick())]
    said = [word for word in talk.step(on.Transcribed(1, 1, "One")) if word.startswith("record user")]
    assert [word.split()[-1] for word in said] == ["'One'", "'Two'"]


def test_in_manual_mode_the_commit_decides() -> None:
    talk = Talk(MANUAL)
    assert talk.step(on.InputBegan(40)) == ["open 1 from 40"]
    assert talk.step(on.InputBegan(60), on.SilenceReached(9_000)) == []
    assert talk.step(on.Committed(2_000)) == ["settle 1.1", "processing"]
    assert talk.step(on.InputBegan(2_000)) == ["open 2 from 2000"]
    assert "transcription 'Hello'" in talk.step(on.Transcribed(1, 1, "Hello"))


def test_a_commit_with_nothing_to_commit() -> None:
    assert Talk(MANUAL).step(on.Committed(0)) == ["error stt nothing_to_commit"]
    assert Talk(VAD).step(on.Committed(0)) == []


def test_a_commit_ends_speech_where_it_stands() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(100))
    assert talk.step(on.Committed(800)) == ["settle 1.1", "stopped 800", "processing"]


@pytest.mark.parametrize("event", [on.StreamClosed(800), on.Detached(800)])
def test_what_was_heard_when_the_microphone_closes_is_a_turn(event: on.Event) -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(100))
    assert talk.step(event) == ["settle 1.1", "stopped 800", "processing"]
    talk = Talk()
    talk.step(on.SpeechStarted(100), on.SpeechStopped(500))
    assert talk.step(event) == ["stopped 500", "processing"]
    assert Talk().step(event) == []


def test_speech_that_is_too_long_goes_on_as_another_utterance() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0))
    assert talk.step(on.UtteranceFull(60_000)) == [
        "settle 1.1",
        "stopped 60000",
        "processing",
        "open 2 from 60000",
        "started 60000",
    ]
    talk.step(on.SpeechStopped(61_000))
    assert talk.step(on.SilenceReached(61_000 + 1_500))[0] == "stopped 61000"


def test_what_awaits_a_commit_for_too_long_is_dropped_aloud() -> None:
    talk = Talk(MANUAL)
    talk.step(on.InputBegan(0))
    assert talk.step(on.UtteranceFull(300_000)) == ["close 1", "error limit utterance_too_long"]
    assert talk.step(on.InputBegan(300_020)) == ["open 2 from 300020"]


def test_forgetting_what_was_heard() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0))
    assert talk.step(on.Cleared()) == ["close 1"]
    assert talk.step(on.SpeechStopped(500), on.SilenceReached(5_000), on.Transcribed(1, 1, "Hello")) == []


def test_silence_is_no_turn() -> None:
    talk = Talk()
    assert talk.speak("  ")[-2:] == ["close 1", "listening"]
    assert talk.history == [] and talk.state.reply is None


def test_a_committed_silence_is_an_error_and_no_turn() -> None:
    talk = Talk(MANUAL)
    talk.step(on.InputBegan(0), on.Committed(500))
    assert talk.step(on.Transcribed(1, 1, "")) == ["close 1", "error stt no_speech", "listening"]


def test_a_silent_recording_is_an_error_and_a_spoken_sentence() -> None:
    talk = Talk()
    talk.step(on.ClipReceived(1, ReplyOptions(paced=False)))
    assert talk.step(on.Transcribed(1, 1, "")) == [
        "close 1",
        "error stt no_speech in turn 1",
        "reply 1 to: prompted",
        "record server said",
        f"speak {NOT_HEARD!r} unwritten",
        "speak no more",
    ]
    assert talk.sound(900, 0, whole=True)[-2:] == ["end turn 1", "listening"]
    assert talk.history == []


def test_a_greeting() -> None:
    talk = Talk()
    assert talk.step(on.Prompted("Good day.")) == [
        "processing",
        "reply 1 to: prompted",
        "chunk 'Good day.'",
        "speak 'Good day.'",
        "record written 'Good day.'",
        "chunk '' final",
        "response 'Good day.'",
        "speak no more",
    ]


@pytest.mark.parametrize(
    "first",
    [on.SpeechStarted(0), on.TextReceived("Hello", ReplyOptions()), on.ClipReceived(1, ReplyOptions())],
)
def test_no_greeting_once_the_user_has_begun(first: on.Event) -> None:
    talk = Talk()
    talk.step(first)
    assert talk.step(on.Prompted("Good day.")) == []


def test_a_tool_call_belongs_to_the_one_reply() -> None:
    talk = Talk()
    talk.type()
    talk.write("Let me see. ", whole=False)
    assert talk.step(on.ToolCalled(1, "c1", "clock", "{}")) == ["tool clock c1 {}"]
    assert talk.write("Noon.")[-2] == "response 'Let me see. Noon.'"


def test_a_slow_tool_is_bridged_only_while_nothing_is_heard() -> None:
    slow = on.ToolsSlow(1, "One moment.")
    bridged = ["record server said", "speak 'One moment.' unwritten"]
    talk = Talk()
    talk.type()
    assert talk.step(slow) == bridged
    talk.sound(1_000, 0)
    assert talk.step(slow, at=500) == []
    assert talk.step(slow, at=1_000) == bridged
    talk.write("Noon.")
    assert talk.step(slow) == [] and talk.step(on.ToolsSlow(2, "Who?")) == []


def test_a_reply_is_told_which_language_was_heard() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.SpeechStopped(500), on.SilenceReached(2_000))
    talk.step(on.Transcribed(1, 1, "Guten Tag", "de"))
    (start,) = [one for one in talk.commands if isinstance(one, StartReply)]
    assert start.language == "de"


def test_another_conversation_brings_its_own_past() -> None:
    talk = Talk()
    talk.type()
    past = (Message(MessageId("m"), "user", "Long ago"),)
    assert talk.step(on.ConversationChanged(ConversationId("d"), past))[-1] == "listening"
    assert talk.type("Now")[-1] == "reply 2 to: Long ago | Now"
    talk.write("Yes.")
    response = next(one for one in talk.outputs if isinstance(one, wire.AiResponse))
    assert response.conversation_id == "d"


def test_what_is_left_of_the_old_conversation_is_recorded_there() -> None:
    talk = Talk()
    talk.type()
    talk.write("One two three.")
    talk.sound(1_400, 14)
    turn_id = talk.turn_id
    talk.step(on.ConversationChanged(ConversationId("d"), ()), at=700)
    talk.step(on.PlaybackReported(turn_id, 300))
    assert {one.conversation_id for one in talk.commands if isinstance(one, Record)} == {"c"}


def test_the_model_is_given_what_was_heard_before() -> None:
    past = History((Message(MessageId("m"), "assistant", "Good day."),))
    assert Talk(PATIENT, history=past).type()[-1] == "reply 1 to: Good day. | Hello"
