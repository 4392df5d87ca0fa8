"""A trace a turn, for OpenTelemetry: named and described by its conventions for generative AI.

The extra `otel` brings the SDK; nothing here is imported unless traces are wanted.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from voice_server import __version__
from voice_server.clock import Clock, Instant
from voice_server.ops.turns import Moment, ReplyHeard, TurnReport

__all__ = ["TurnTracer", "open_tracer"]

_NS_PER_MS = 1_000_000
_MOST_UNHEARD = 1_000


class TurnTracer:
    """A `TurnWatcher` that makes spans of what it is told, once a turn is over."""

    def __init__(self, provider: TracerProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._tracer = provider.get_tracer("voice_server", __version__)
        self._unheard: OrderedDict[str, Context] = OrderedDict()  # turns whose reply may yet be heard

    def turn_ended(self, report: TurnReport) -> None:
        moments, utc_ns = report.moments, self._utc_ns()
        if not moments:
            return
        begin, end = min(moments.values()), max(moments.values())
        attributes = {
            "gen_ai.conversation.id": report.conversation_id,
            "gen_ai.operation.name": "invoke_agent",
            "voice_server.session.id": report.session_id,
            "voice_server.turn.id": report.turn_id,
            "voice_server.turn.end_reason": report.end_reason,
        }
        began_ns = _nanoseconds(begin, utc_ns)
        turn = self._tracer.start_span("invoke_agent", None, SpanKind.SERVER, attributes, start_time=began_ns)
        for moment, at in moments.items():
            turn.add_event(moment.value, timestamp=_nanoseconds(at, utc_ns))
        for stage, code in report.failures:
            turn.set_attribute("error.type", code)
            turn.set_status(Status(StatusCode.ERROR, f"{stage}: {code}"))
        self._stages(report, turn, utc_ns)
        turn.end(_nanoseconds(end, utc_ns))
        self._unheard[report.turn_id] = set_span_in_context(turn)
        while len(self._unheard) > _MOST_UNHEARD:
            self._unheard.popitem(last=False)

    def reply_heard(self, heard: ReplyHeard) -> None:
        # The turn's own span has been told by then: this one is added to the trace.
        context = self._unheard.pop(heard.turn_id, None)
        if context is None or heard.sent is None:
            return
        utc_ns = self._utc_ns()
        attributes: dict[str, str | float] = {
            "voice_server.turn.id": heard.turn_id,
            "voice_server.turn.heard_ms": heard.heard_ms,
        }
        began_ns = _nanoseconds(heard.sent, utc_ns)
        span = self._tracer.start_span("heard", context, SpanKind.INTERNAL, attributes, start_time=began_ns)
        span.end(_nanoseconds(Instant(max(heard.sent, heard.at)), utc_ns))

    def _stages(self, report: TurnReport, turn: Span, utc_ns: int) -> None:
        moments = report.moments
        for name, begin, end, attributes in _stages_of(report):
            if begin not in moments or end not in moments:
                continue
            span = self._tracer.start_span(
                name,
                set_span_in_context(turn),
                SpanKind.CLIENT if attributes else SpanKind.INTERNAL,
                attributes,
                start_time=_nanoseconds(moments[begin], utc_ns),
            )
            span.end(_nanoseconds(Instant(max(moments[begin], moments[end])), utc_ns))

    def _utc_ns(self) -> int:
        """The time of day at which the clock stood at 0."""
        return time.time_ns() - int(self._clock.now() * _NS_PER_MS)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _stages_of(report: TurnReport) -> Iterator[tuple[str, Moment, Moment, Mapping[str, str | float]]]:
    """The name, beginning, end and attributes of each stage's span."""
    stt, llm, tts = (report.providers.get(stage, "") for stage in ("stt", "llm", "tts"))
    provider, _, model = llm.partition("/")
    chat: dict[str, str | float] = {**_described("chat", provider), "gen_ai.request.model": model}
    if (first_ms := report.stage_ms("llm_first_token")) is not None:
        chat["gen_ai.response.time_to_first_chunk"] = first_ms / 1000
    hear, speak = _described("speech_to_text", stt), _described("text_to_speech", tts)
    yield "endpoint", Moment.SPEECH_ENDED, Moment.DECIDED, {}
    yield f"speech_to_text {stt}", Moment.DECIDED, Moment.TRANSCRIBED, hear
    yield f"chat {model}", Moment.TRANSCRIBED, Moment.FIRST_CLAUSE, chat
    yield f"text_to_speech {tts}", Moment.FIRST_CLAUSE, Moment.FIRST_AUDIO, speak
    yield "send", Moment.FIRST_AUDIO, Moment.SENT, {}


def _described(operation: str, provider: str) -> Mapping[str, str]:
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider}


def _nanoseconds(at: Instant, utc_ns: int) -> int:
    return utc_ns + int(at * _NS_PER_MS)


def open_tracer(endpoint: str, clock: Clock) -> TurnTracer:
    """A tracer that sends to a collector by OTLP over HTTP, from a thread of its own."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "voice_server", "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return TurnTracer(provider, clock)
