"""A stage fails: the turn still ends in something the caller notices, and no apology becomes history."""

import pytest

from tests.unit.core.talk import MANUAL, NO_LLM, NO_STT, NO_TTS, Talk
from voice_server.core import events as on
from voice_server.core.policy import ReplyOptions
from voice_server.core.sentences import Sentence
from voice_server.errors import AudioError, ConfigurationError, LimitError, VoiceServerError

pytestmark = pytest.mark.unit

NOT_HEARD = Sentence.NOT_HEARD.in_language("en")
NO_ANSWER = Sentence.NO_ANSWER.in_language("en")

APOLOGY = ["record server said", f"speak {NO_ANSWER!r} unwritten", "speak no more"]


@pytest.mark.parametrize("error", [NO_STT, ConfigurationError("No file.")])
def test_no_transcript_of_live_speech_is_told_and_said(error: VoiceServerError) -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.SpeechStopped(500), on.SilenceReached(1_000))
    assert talk.step(on.TranscriptionFailed(1, 1, error)) == [
        "close 1",
        f"error {error.stage} {error.code} in turn 1",
        "reply 1 to: prompted",
        "record server said",
        f"speak {NOT_HEARD!r} unwritten",
        "speak no more",
    ]
    assert talk.sound(500, 0, whole=True) == [
        "speaking",
        "audio begins",
        "audio 0 of 500",
        "audio failed after 500",
        "end turn 1",
    ]
    assert talk.step(on.Tick(), at=500) == ["listening"]
    assert talk.history == []


@pytest.mark.parametrize("error", [NO_STT, AudioError("No sound."), LimitError("Too long.")])
def test_a_recording_that_fails_is_always_answered_aloud(error: VoiceServerError) -> None:
    talk = Talk()
    talk.step(on.ClipReceived(1, ReplyOptions(paced=False)))
    words = talk.step(on.TranscriptionFailed(1, 1, error))
    assert words[1] == f"error {error.stage} {error.code} in turn 1"
    assert words[-1] == "speak no more"


def test_a_failure_of_an_older_stretch_is_dropped() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.SpeechStopped(500), on.SpeechStarted(600))
    assert talk.step(on.TranscriptionFailed(1, 1, NO_STT)) == []
    talk.step(on.SpeechStopped(900), on.SilenceReached(2_000))
    assert "transcription 'Hello'" in talk.step(on.Transcribed(1, 2, "Hello"))


def test_a_failure_is_forgotten_when_the_user_goes_on() -> None:
    talk = Talk()
    talk.step(on.SpeechStarted(0), on.SpeechStopped(500), on.TranscriptionFailed(1, 1, NO_STT))
    talk.step(on.SpeechStarted(600), on.SpeechStopped(900), on.SilenceReached(2_000))
    assert "transcription 'Hello'" in talk.step(on.Transcribed(1, 2, "Hello"))


def test_the_model_fails_before_it_wrote_anything() -> None:
    talk = Talk()
    talk.type()
    assert talk.step(on.ReplyFailed(1, NO_LLM)) == ["error llm provider_failed in turn 1", *APOLOGY]
    assert talk.sound(500, 0, whole=True)[-2:] == ["audio failed after 500", "end turn 1"]
    talk.step(on.Tick(), at=500)
    assert talk.history == ["user: Hello"]


def test_the_model_fails_in_the_middle() -> None:
    talk = Talk()
    talk.type()
    talk.write("One two ", whole=False)
    talk.sound(800, 8)
    assert talk.step(on.ReplyFailed(1, NO_LLM)) == [
        "record written 'One two '",
        "chunk '' final",
        "response 'One two '",
        "error llm provider_failed in turn 1",
        *APOLOGY,
    ]
    talk.sound(900, 8, whole=True)
    assert talk.step(on.Tick(), at=1_700)[0] == "record heard 'One two ' complete"
    assert talk.history == ["user: Hello", "assistant: One two "]


@pytest.mark.parametrize("texts", [[], [" ", "\n"]])
def test_an_empty_reply_is_a_failure(texts: list[str]) -> None:
    talk = Talk()
    talk.type()
    assert talk.write(*texts) == ["error llm empty_reply in turn 1", *APOLOGY]


def test_a_text_only_turn_that_fails_ends_with_its_error() -> None:
    talk = Talk()
    talk.type(wants_audio=False)
    assert talk.step(on.ReplyFailed(1, NO_LLM)) == [
        "error llm provider_failed in turn 1",
        "end turn 1",
        "listening",
    ]


def test_the_voice_fails_while_the_model_still_writes() -> None:
    talk = Talk()
    talk.type()
    talk.write("One two ", whole=False)
    talk.sound(800, 8)
    assert talk.step(on.SpeechFailed(1, NO_TTS)) == ["error tts provider_failed in turn 1"]
    assert talk.write("three.") == [
        "chunk 'three.'",
        "record written 'One two three.'",
        "chunk '' final",
        "response 'One two three.'",
        "audio failed after 800",
        "end turn 1",
    ]
    assert talk.step(on.Tick(), at=800)[0] == "record heard 'One two' complete"


def test_the_voice_fails_after_the_model_is_done() -> None:
    talk = Talk()
    talk.type()
    talk.write("One.")
    assert talk.step(on.SpeechFailed(1, NO_TTS))[:2] == ["error tts provider_failed in turn 1", "end turn 1"]
    assert talk.step(on.SpeechFinished(1), on.SpeechFailed(1, NO_TTS)) == []


@pytest.mark.parametrize("first_is_voice", [True, False])
def test_both_fail(first_is_voice: bool) -> None:
    failures: list[on.Event] = [on.SpeechFailed(1, NO_TTS), on.ReplyFailed(1, NO_LLM)]
    talk = Talk()
    talk.type()
    words = talk.step(*(failures if first_is_voice else failures[::-1]))
    assert {"error tts provider_failed in turn 1", "error llm provider_failed in turn 1"} < set(words)
    assert words.count("end turn 1") == 1 and words[-1] == "listening"


def test_an_apology_can_be_cut() -> None:
    talk = Talk()
    talk.type()
    talk.step(on.ReplyFailed(1, NO_LLM))
    talk.sound(900, 0)
    assert talk.step(on.StopRequested(), at=400) == [
        "cancel 1",
        "interrupted by stop at 400: ''",
        "audio interrupted after 900",
        "end turn 1",
        "listening",
    ]
    assert talk.history == ["user: Hello"]


def test_live_audio_that_cannot_be_read_is_an_error_and_no_turn() -> None:
    talk = Talk(MANUAL)
    talk.step(on.InputBegan(0), on.Committed(500))
    words = talk.step(on.TranscriptionFailed(1, 1, AudioError("Damaged.")))
    assert words == ["close 1", "error stt bad_audio", "listening"]
