from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.clocks import HandClock
from tests.unit.ops.turns import report
from voice_server.clock import Instant
from voice_server.ops.tracing import TurnTracer
from voice_server.ops.turns import Moment, ReplyHeard, TurnReport

pytestmark = pytest.mark.unit


def spans_of(*reports: TurnReport, heard: tuple[ReplyHeard, ...] = ()) -> dict[str, ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = TurnTracer(provider, HandClock(Instant(5_000)))
    for one in reports:
        tracer.turn_ended(one)
    for other in heard:
        tracer.reply_heard(other)
    return {span.name: span for span in exporter.get_finished_spans()}


def took_ms(span: ReadableSpan) -> float:
    assert span.start_time is not None and span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


def test_a_turn_is_a_span_with_one_for_each_of_its_stages() -> None:
    spans = spans_of(report())
    turn = spans.pop("invoke_agent")
    assert turn.context is not None
    expected = {"endpoint": 500, "speech_to_text ears": 20, "chat qwen": 300}
    expected |= {"text_to_speech mouth": 90, "send": 90}
    assert {name: took_ms(span) for name, span in spans.items()} == pytest.approx(expected, abs=0.01)
    parents = {span.parent.span_id for span in spans.values() if span.parent is not None}
    assert parents == {turn.context.span_id}
    assert took_ms(turn) == pytest.approx(1_000, abs=0.01)


def test_when_a_reply_was_heard_joins_the_trace_of_its_turn_once() -> None:
    first = ReplyHeard("turn_1", 1_500.0, Instant(2_000), Instant(3_400))
    spans = spans_of(report(), heard=(first, replace(first, sent=None), replace(first, turn_id="turn_0")))
    turn, heard = spans["invoke_agent"], spans["heard"]
    assert turn.context is not None and heard.parent is not None and heard.attributes is not None
    assert heard.parent.span_id == turn.context.span_id
    assert took_ms(heard) == pytest.approx(1_400, abs=0.01)
    assert heard.attributes["voice_server.turn.heard_ms"] == 1_500
    assert "heard" not in spans_of(report(), heard=(replace(first, turn_id="turn_0"),))


def test_the_model_is_described_as_the_conventions_wish() -> None:
    spans = spans_of(report())
    chat, turn = spans["chat qwen"].attributes, spans["invoke_agent"].attributes
    assert chat is not None and turn is not None
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.provider.name"] == "local"
    assert chat["gen_ai.request.model"] == "qwen"
    assert chat["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.2)
    assert turn["gen_ai.conversation.id"] == "conv_1"
    assert turn["voice_server.turn.end_reason"] == "completed"


def test_a_turn_that_failed_says_so() -> None:
    failed = report(
        end_reason="failed", failures=(("llm", "provider_timeout"),), without=(Moment.FIRST_AUDIO,)
    )
    spans = spans_of(failed)
    turn = spans["invoke_agent"]
    assert turn.status.status_code is StatusCode.ERROR
    assert turn.attributes is not None and turn.attributes["error.type"] == "provider_timeout"
    assert "send" not in spans
