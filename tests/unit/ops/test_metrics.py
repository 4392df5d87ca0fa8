import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.ops.turns import report
from voice_server.clock import Instant
from voice_server.core.wire import EarlyStarts
from voice_server.ops.metrics import ServerMetrics
from voice_server.ops.turns import Moment, ReplyHeard

pytestmark = pytest.mark.unit


def samples(metrics: ServerMetrics) -> dict[tuple[str, str], float]:
    """By name and the values of the labels, joined in the order of their names."""
    families = text_string_to_metric_families(metrics.exposed().decode())
    return {
        (sample.name.removeprefix("voice_server_"), " ".join(dict(sorted(sample.labels.items())).values())): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def test_what_lives_is_asked_when_somebody_reads() -> None:
    live = [1]
    metrics = ServerMetrics(lambda: live[0], lambda: 3)
    assert samples(metrics)["sessions", ""] == 1
    live[0] = 2
    assert samples(metrics)["sessions", ""] == 2
    assert samples(metrics)["connections", ""] == 3


def test_the_stages_of_a_turn_are_observed() -> None:
    metrics = ServerMetrics(lambda: 0, lambda: 0)
    metrics.turn_ended(report())
    seen = samples(metrics)
    assert seen["stage_seconds_sum", "endpoint"] == pytest.approx(0.5)
    assert seen["stage_seconds_sum", "llm_first_token"] == pytest.approx(0.2)
    assert seen["stage_seconds_sum", "tts_first_audio"] == pytest.approx(0.09)
    assert seen["response_seconds_sum", ""] == pytest.approx(0.91)
    assert seen["turns_total", "completed"] == 1


def test_a_turn_without_a_stage_is_not_counted_for_it() -> None:
    metrics = ServerMetrics(lambda: 0, lambda: 0)
    metrics.turn_ended(report(without=(Moment.SPEECH_ENDED, Moment.FIRST_AUDIO)))
    seen = samples(metrics)
    assert ("stage_seconds_count", "endpoint") not in seen
    assert ("stage_seconds_count", "send") not in seen
    assert seen["stage_seconds_count", "stt"] == 1


def test_when_a_reply_was_heard_is_a_stage_and_corrections_are_not() -> None:
    metrics = ServerMetrics(lambda: 0, lambda: 0)
    metrics.turn_ended(report())
    metrics.reply_heard(ReplyHeard("turn_1", 1_500.0, Instant(2_000), Instant(3_400)))
    metrics.reply_heard(ReplyHeard("turn_1", 100.0, None, Instant(3_500)))
    seen = samples(metrics)
    assert seen["stage_seconds_sum", "heard"] == pytest.approx(1.4)
    assert seen["stage_seconds_count", "heard"] == 1
    assert seen["heard_seconds_total", ""] == pytest.approx(1.5)


def test_early_starts_are_counted_by_what_became_of_them() -> None:
    metrics = ServerMetrics(lambda: 0, lambda: 0)
    metrics.turn_ended(report(early_starts=EarlyStarts(2, was_used=True, lead_ms=250)))
    metrics.turn_ended(report(early_starts=EarlyStarts(1, was_used=False)))
    metrics.turn_ended(report())
    seen = samples(metrics)
    assert (seen["early_starts_total", "used"], seen["early_starts_total", "dropped"]) == (1, 2)
    assert seen["early_start_seconds_count", ""] == 1
    assert seen["early_start_seconds_sum", ""] == pytest.approx(0.25)


def test_errors_are_counted_by_stage_provider_and_code() -> None:
    metrics = ServerMetrics(lambda: 0, lambda: 0)
    metrics.turn_ended(report(end_reason="failed", failures=(("tts", "provider_timeout"),)))
    seen = samples(metrics)
    assert seen["stage_errors_total", "provider_timeout mouth tts"] == 1
    assert seen["turns_total", "failed"] == 1
