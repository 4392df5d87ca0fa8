"""A voice over a reply: what cuts it, and what it goes on from."""

import pytest

from tests.unit.core.talk import Talk
from voice_server.clock import Instant
from voice_server.core import events as on
from voice_server.core.overlap import ECHO_LIKENESS, NODDING_MS, WORDLESS_MS
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import TurnMode
from voice_server.errors import AudioError

pytestmark = pytest.mark.unit

SEMANTIC = TurnPolicy(TurnMode.SEMANTIC)
TEXT = "The moon is about three hundred thousand kilometres away from us."


def overlapping(policy: TurnPolicy = SEMANTIC, text: str = TEXT, level_dbfs: float | None = None) -> Talk:
    """At 1,000 ms of a reply of 6.5 s, a voice begins; at 1,200 ms it is confirmed."""
    talk = Talk(policy)
    talk.state.listening.usual_dbfs = -20.0
    talk.type()
    talk.write(text)
    talk.sound(100.0 * len(text), len(text), whole=True)
    talk.step(on.SpeechStarted(0), at=1_000)
    assert talk.state.is_held or not policy.interrupt or policy.mode is TurnMode.VAD
    talk.step(on.SpeechConfirmed(200, level_dbfs), at=1_200)
    return talk


def is_cut(words: list[str]) -> bool:
    return any(word.startswith("interrupted by speech") for word in words)


def test_a_confirmed_voice_holds_the_reply() -> None:
    talk = overlapping()
    assert talk.state.is_held
    assert talk.outputs[-1].__class__.__name__ == "OverlapOut"


def test_words_that_are_no_nod_cut() -> None:
    talk = overlapping()
    words = talk.step(on.PartialTranscribed(2, "Wait"), at=1_400)
    assert is_cut(words) and not talk.state.is_held
    talk.step(on.SpeechStopped(600), on.Transcribed(2, 1, "Wait, stop."))
    assert "transcription 'Wait, stop.'" in talk.step(on.SilenceReached(9_000))


@pytest.mark.parametrize("nod", ["Uh-huh.", "Right.", "Okay.", "Mm."])
def test_a_nod_cuts_nothing_and_is_no_turn(nod: str) -> None:
    talk = overlapping()
    assert not is_cut(talk.step(on.PartialTranscribed(2, nod), at=1_400))
    assert talk.step(on.SpeechStopped(400), at=1_500) == ["settle 2.1 and score", "watch until 1900"]
    words = talk.step(on.Transcribed(2, 1, nod), at=1_700)
    assert words[-3:] == ["stopped 400", "close 2", "overlap over"]
    assert not talk.state.is_held
    talk.step(on.Tick(), at=20_000)
    assert talk.history == ["user: Hello", f"assistant: {TEXT}"]


def test_a_nod_in_the_language_of_the_conversation() -> None:
    for language, is_nod in (("de-DE", True), ("sv", False)):
        talk = overlapping()
        talk.step(on.PolicyChanged(SEMANTIC, language))
        assert is_cut(talk.step(on.PartialTranscribed(2, "Ja, genau"), at=1_400)) is not is_nod


def test_a_nod_too_short_to_be_confirmed() -> None:
    talk = overlapping()
    talk.step(on.SpeechStopped(400), on.Transcribed(2, 1, "Mm."))
    talk.step(on.SpeechStarted(2_000), on.SpeechStopped(2_100), at=3_000)
    assert talk.step(on.Transcribed(3, 1, "Mm."), at=3_200)[-2:] == ["stopped 2100", "close 3"]


def test_a_nod_that_goes_on_into_a_question_cuts() -> None:
    talk = overlapping()
    assert not is_cut(talk.step(on.PartialTranscribed(2, "Yeah"), at=1_400))
    assert is_cut(talk.step(on.PartialTranscribed(2, "Yeah, but how far"), at=2_000))


def test_a_short_no_cuts_as_soon_as_it_is_understood() -> None:
    talk = overlapping()
    talk.step(on.SpeechStopped(300), on.Transcribed(2, 1, "Mm."))
    talk.step(on.SpeechStarted(2_000), on.SpeechStopped(2_150), at=3_000)
    assert is_cut(talk.step(on.Transcribed(3, 1, "No."), at=3_300))


def test_a_voice_without_words_cuts_when_patience_ends() -> None:
    talk = overlapping()
    assert talk.state.wake_at == Instant(1_200 + WORDLESS_MS)
    assert not is_cut(talk.step(on.Tick(), at=1_199 + WORDLESS_MS))
    assert is_cut(talk.step(on.Tick(), at=1_200 + WORDLESS_MS))


def test_patience_with_nods_ends_too() -> None:
    talk = overlapping()
    talk.step(on.PartialTranscribed(2, "Yeah"), at=1_400)
    assert not is_cut(talk.step(on.Tick(), at=1_399 + NODDING_MS))
    assert is_cut(talk.step(on.PartialTranscribed(2, "Yeah okay I think I get it"), at=1_400 + NODDING_MS))


def test_a_raised_voice_cuts_at_once() -> None:
    talk = overlapping(level_dbfs=-13.0)
    assert talk.state.reply is None


def test_somebody_far_away_cuts_nothing() -> None:
    talk = overlapping(level_dbfs=-40.0)
    assert not talk.state.is_held
    assert not is_cut(talk.step(on.PartialTranscribed(2, "and did you see the match"), at=2_500))
    talk.step(on.SpeechStopped(3_000), at=4_000)
    assert talk.step(on.Transcribed(2, 1, "and did you see the match"), at=4_200)[-1] == "close 2"


def test_our_own_words_cut_nothing_and_hold_nothing() -> None:
    talk = overlapping()
    talk.step(on.PartialTranscribed(2, "moon is about"), at=1_600)
    assert not talk.state.is_held
    talk.step(on.SpeechStopped(1_500), at=2_600)
    assert talk.step(on.Transcribed(2, 1, "The moon is about three"), at=2_800)[-1] == "close 2"


ECHO, OTHER = ECHO_LIKENESS + 0.1, ECHO_LIKENESS - 0.1


def test_what_sounds_like_us_is_not_fallen_silent_over() -> None:
    talk = overlapping()
    assert "overlap over" in talk.step(on.VoiceCompared(400, ECHO, -30.0), at=1_400)
    assert not talk.state.is_held
    assert "overlap" in talk.step(on.VoiceCompared(650, OTHER, -31.0), at=1_650)
    assert is_cut(talk.step(on.Tick(), at=1_400 + WORDLESS_MS))


def test_what_sounds_like_us_cuts_nothing_however_long_and_loud() -> None:
    talk = overlapping()
    for at_ms in range(1_400, 4_000, 250):
        assert not is_cut(talk.step(on.VoiceCompared(at_ms - 1_000, ECHO, -5.0), at=at_ms))
        assert not is_cut(talk.step(on.Tick(), at=at_ms + 240))
        assert talk.state.wake_at is not None and talk.state.wake_at > at_ms + 240
    talk.step(on.SpeechConfirmed(3_000, -5.0), at=4_000)
    assert talk.state.reply is not None


@pytest.mark.parametrize("misheard", ["Them", "Dim moon is an out free", "the moan"])
def test_misheard_words_that_sound_like_us_are_ours(misheard: str) -> None:
    for likeness, is_ours in ((ECHO, True), (OTHER, False)):
        talk = overlapping()
        talk.step(on.VoiceCompared(400, likeness, -30.0), at=1_400)
        assert is_cut(talk.step(on.PartialTranscribed(2, misheard), at=1_600)) is not is_ours


@pytest.mark.parametrize("meant", ["Stop.", "Wait!", "No.", "Can you tell me something else"])
def test_words_for_us_cut_though_they_sound_like_us(meant: str) -> None:
    talk = overlapping()
    talk.step(on.VoiceCompared(400, ECHO, -30.0), at=1_400)
    assert is_cut(talk.step(on.PartialTranscribed(2, meant), at=1_600))


def test_a_caller_who_is_louder_than_our_echo_cuts_whatever_the_words() -> None:
    talk = overlapping(level_dbfs=-40.0)
    talk.step(on.VoiceCompared(400, ECHO, -40.0), on.PartialTranscribed(2, "moon is about"), at=1_400)
    assert not is_cut(talk.step(on.VoiceCompared(650, OTHER, -41.0), at=1_650))
    assert not is_cut(talk.step(on.VoiceCompared(900, OTHER, -20.0), at=1_900))
    assert not is_cut(talk.step(on.VoiceCompared(1_150, OTHER, -20.0), at=2_150))
    assert is_cut(talk.step(on.VoiceCompared(1_400, OTHER, -20.0), at=2_400))


def test_a_nod_through_our_echo_cuts_nothing() -> None:
    talk = overlapping(level_dbfs=-40.0)
    talk.step(on.VoiceCompared(400, ECHO, -40.0), on.PartialTranscribed(2, "moon is about"), at=1_400)
    talk.step(on.VoiceCompared(650, OTHER, -20.0), on.VoiceCompared(900, OTHER, -20.0), at=1_900)
    assert not is_cut(talk.step(on.VoiceCompared(1_150, ECHO, -40.0), at=2_150))
    assert not is_cut(talk.step(on.VoiceCompared(1_400, OTHER, -20.0), at=2_400))


def test_a_client_that_pauses_has_heard_no_more() -> None:
    talk = overlapping()
    talk.step(on.PlaybackReported(talk.turn_id, 1_150, is_paused=True), at=1_250)
    talk.step(on.PartialTranscribed(2, "Yeah"), at=1_400)
    cut = talk.step(on.PartialTranscribed(2, "Yeah, but how far"), at=2_000)
    assert cut[2] == "interrupted by speech at 1150: 'The moon is'"


def test_a_paused_reply_is_not_over_and_goes_on_where_it_was() -> None:
    talk = overlapping()
    talk.step(on.PlaybackReported(talk.turn_id, 1_150, is_paused=True), at=1_250)
    talk.step(on.SpeechStopped(400), at=1_500)
    assert talk.step(on.Transcribed(2, 1, "Mm."), at=9_000)[-1] == "overlap over"
    talk.step(on.PlaybackReported(talk.turn_id, 1_150), at=9_050)
    assert talk.state.wake_at == Instant(9_050 + 100 * len(TEXT) - 1_150)


def test_what_is_said_before_the_client_goes_on_is_weighed_too() -> None:
    talk = overlapping()
    talk.step(on.PlaybackReported(talk.turn_id, 1_150, is_paused=True), at=1_250)
    talk.step(on.SpeechStopped(400), on.Transcribed(2, 1, "Mm."), at=1_700)
    talk.step(on.SpeechStarted(700), on.SpeechConfirmed(900), at=1_710)
    assert talk.state.is_held and talk.state.reply is not None


def test_a_client_is_told_however_the_weighing_ends() -> None:
    talk = overlapping()
    assert "overlap over" in talk.step(on.Tick(), at=9_000)  # the reply has come to its end
    talk = overlapping()
    assert "overlap over" in talk.step(on.Cleared(), at=1_300)
    talk = overlapping()
    talk.step(on.SpeechStopped(400), on.TranscriptionFailed(2, 1, AudioError("Nothing.", code="no_speech")))
    assert "overlap over" in talk.step(on.SilenceReached(9_000), at=1_400)
    talk = overlapping()
    assert "overlap over" not in talk.step(on.StopRequested(), at=1_300)


def test_a_yes_at_the_end_of_a_question_answers_it() -> None:
    question = "Shall I go on?"
    talk = Talk(SEMANTIC)
    talk.type()
    talk.write(question)
    talk.sound(1_400, len(question), whole=True)
    talk.step(on.SpeechStarted(0), on.SpeechStopped(200), at=900)
    talk.step(on.Transcribed(2, 1, "Yes."), at=1_000)
    assert "transcription 'Yes.'" in talk.step(on.SilenceReached(9_000), at=1_500)


def test_a_reply_spared_from_speech_is_not_held_either() -> None:
    talk = overlapping(TurnPolicy(TurnMode.SEMANTIC, interrupt=False))
    assert not talk.state.is_held
    talk.step(on.SpeechStopped(600), on.Transcribed(2, 1, "And then what?"), on.SilenceReached(9_000))
    assert talk.state.reply is not None
    assert "transcription 'And then what?'" in talk.step(on.Tick(), at=20_000)


def test_plain_voice_activity_cuts_whatever_is_said() -> None:
    talk = overlapping(TurnPolicy(TurnMode.VAD))
    assert talk.state.reply is None


def test_before_anything_is_heard_there_is_nothing_to_nod_at() -> None:
    talk = Talk(SEMANTIC)
    talk.type()
    talk.step(on.SpeechStarted(0))
    assert is_cut(talk.step(on.SpeechConfirmed(200)))


def test_an_invented_thank_you_is_no_turn() -> None:
    talk = Talk(SEMANTIC)
    talk.step(on.SpeechStarted(0), on.SpeechStopped(100), on.Transcribed(1, 1, "Thank you."))
    assert talk.step(on.SilenceReached(9_000))[-1] == "listening"
    assert talk.history == []
    talk.speak("Thank you.", 10_000, 11_000)
    assert talk.history == ["user: Thank you."]


def test_a_voice_far_away_behind_the_callers_neither_hides_it_nor_keeps_the_driver_awake() -> None:
    talk = overlapping(level_dbfs=-20.0)
    talk.step(on.SpeechStopped(300), at=1_350)
    talk.step(on.SpeechStarted(400), on.SpeechConfirmed(600, -45.0), at=1_650)
    assert (wake_at := talk.state.wake_at) is not None
    words = talk.step(on.Tick(), at=wake_at)
    assert is_cut(words)
    assert talk.state.wake_at is None
