"""What the server tells Prometheus, in a registry of its own."""

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from voice_server.ops.turns import STAGES, ReplyHeard, TurnReport

__all__ = ["CONTENT_TYPE", "ServerMetrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST

_STAGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
_LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
_LAG_STEP_S = 0.1


class ServerMetrics:
    """A `TurnWatcher`. `sessions` and `connections` are asked when somebody reads."""

    def __init__(self, sessions: Callable[[], int], connections: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauge("sessions", "Live sessions.").set_function(sessions)
        self._gauge("connections", "Open WebSockets.").set_function(connections)
        self._stages = Histogram(
            "voice_server_stage_seconds",
            "How long the stages of a turn took.",
            ["stage"],
            registry=self._registry,
            buckets=_STAGE_BUCKETS_S,
        )
        self._response = Histogram(
            "voice_server_response_seconds",
            "From the end of speech to the first sound.",
            registry=self._registry,
            buckets=_STAGE_BUCKETS_S,
        )
        self._turns = self._counter("turns", "Turns by how they ended.", "reason")
        self._early = self._counter("early_starts", "Replies begun before their turn.", "outcome")
        self._lead = Histogram(
            "voice_server_early_start_seconds",
            "How long before its turn a reply was begun that became it.",
            registry=self._registry,
            buckets=_STAGE_BUCKETS_S,
        )
        self._errors = self._counter("stage_errors", "Errors within turns.", "stage", "provider", "code")
        self._heard = self._counter("heard_seconds", "Reply audio that was heard to its end or to a cut.")
        self._lag = Histogram(
            "voice_server_loop_lag_seconds",
            "How late the event loop ran what was due.",
            registry=self._registry,
            buckets=_LAG_BUCKETS_S,
        )

    def _gauge(self, name: str, sentence: str) -> Gauge:
        return Gauge(f"voice_server_{name}", sentence, registry=self._registry)

    def _counter(self, name: str, sentence: str, *labels: str) -> Counter:
        return Counter(f"voice_server_{name}", sentence, labels, registry=self._registry)

    def turn_ended(self, report: TurnReport) -> None:
        self._turns.labels(report.end_reason).inc()
        for stage in STAGES:
            if (took_ms := report.stage_ms(stage)) is not None:
                self._stages.labels(stage).observe(took_ms / 1000)
        if report.response_ms is not None:
            self._response.observe(report.response_ms / 1000)
        if (early := report.early_starts) is not None:
            self._early.labels("used").inc(early.was_used)
            self._early.labels("dropped").inc(early.count - early.was_used)
            if early.was_used:
                self._lead.observe(early.lead_ms / 1000)
        for stage, code in report.failures:
            self._errors.labels(stage, report.providers.get(stage, ""), code).inc()

    def reply_heard(self, heard: ReplyHeard) -> None:
        if heard.sent is not None:  # else it is counted already, and a counter takes nothing back
            self._heard.inc(heard.heard_ms / 1000)
            self._stages.labels("heard").observe(max(heard.at - heard.sent, 0.0) / 1000)

    async def watch_lag(self) -> None:
        """Measure the loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LAG_STEP_S
            await asyncio.sleep(_LAG_STEP_S)
            self._lag.observe(max(loop.time() - due_s, 0.0))

    def exposed(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
