import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import HandClock
from voice_server.clock import Instant
from voice_server.ids import TurnId
from voice_server.ops.turns import ReplyHeard
from voice_server.session.timeline import Timeline, Timelines

pytestmark = pytest.mark.unit

TURN = TurnId("t")


SENT = Instant(20_000)


def timeline_of(*moments: float) -> Timeline:
    ended, decided, started, token, audio = (Instant(moment) for moment in moments)
    return Timeline(ended, decided, started, token, audio)


def test_the_stages_of_a_spoken_turn() -> None:
    timeline = timeline_of(100, 600, 650, 900, 1_200)
    timeline.providers = (("stt", "a"), ("llm", "b"))
    metrics = timeline.metrics(TURN, SENT)
    assert (metrics.endpoint_ms, metrics.stt_ms) == (500, 50)
    assert (metrics.llm_first_token_ms, metrics.tts_first_audio_ms) == (250, 300)
    assert (metrics.response_ms, metrics.send_ms) == (1_100, 18_800)
    assert metrics.providers == {"stt": "a", "llm": "b"}


def test_a_typed_turn_has_no_ears() -> None:
    metrics = Timeline(started=Instant(0), first_token=Instant(250)).metrics(TURN, SENT)
    assert (metrics.endpoint_ms, metrics.stt_ms, metrics.tts_first_audio_ms) == (None, None, None)
    assert metrics.llm_first_token_ms == 250
    assert metrics.response_ms is None


def test_a_moment_at_zero_is_a_moment() -> None:
    assert timeline_of(0, 500, 600, 700, 800).metrics(TURN, SENT).response_ms == 800


@given(st.lists(st.integers(0, 10_000), min_size=5, max_size=5).map(sorted))
def test_the_stages_add_up_to_the_response(moments: list[int]) -> None:
    metrics = timeline_of(*moments).metrics(TURN, SENT)
    stages = (metrics.endpoint_ms, metrics.stt_ms, metrics.llm_first_token_ms, metrics.tts_first_audio_ms)
    assert sum(stage for stage in stages if stage is not None) == metrics.response_ms


def test_a_reply_is_heard_once_after_it_was_sent_and_corrected_after() -> None:
    clock = HandClock()
    timelines = Timelines(clock, lambda _: clock.now())
    timelines.start(None, ())
    clock.at = Instant(2_000)
    timelines.report("sess_1", "conv_1", TURN)
    clock.at = Instant(3_500)
    assert timelines.heard(TURN, 1_400) == ReplyHeard(TURN, 1_400, Instant(2_000), Instant(3_500))
    assert timelines.heard(TURN, 900).sent is None, "known better, not heard again"
    assert timelines.heard(TurnId("turn_0"), 900).sent is None
