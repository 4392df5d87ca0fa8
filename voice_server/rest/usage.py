"""`/api/usage`: what was used and what it cost; and how fast replies came."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from voice_server.core.caller import Caller, Scope
from voice_server.errors import ProtocolError
from voice_server.rest.context import RestContext
from voice_server.rest.identity import identifier
from voice_server.store.usage import UsageSum

MOST_DAYS = 366
_USUAL_DAYS = 30
Heading = Literal["day", "key", "provider"]
First = Annotated[date | None, Query(alias="from", description="First day (UTC), `2026-01-31`.")]
Last = Annotated[date | None, Query(alias="to", description="Last day (UTC), itself included.")]


class UsageCounts(BaseModel):
    """`requests` are those to this API, `calls` those of providers; the cost is in USD."""

    requests: int
    calls: int
    audio_seconds: float
    input_tokens: int
    output_tokens: int
    characters: int
    cost: float


class UsageRow(UsageCounts):
    """Usage under one heading; what it is not grouped by is null. `api` is the provider of `requests`."""

    day: str | None = None
    key: str | None = None
    provider: str | None = None


class UsageReport(BaseModel):
    """Usage from a day to a day."""

    first: str
    last: str
    group: list[Heading]
    rows: list[UsageRow]
    total: UsageCounts
    currency: Literal["USD"] = "USD"


class DayLatency(BaseModel):
    """From the end of what the user said to the reply's first sound (of typed turns: to its end)."""

    day: str
    turns: int
    median_ms: float
    slowest_20th_ms: float


class LatencyReport(BaseModel):
    """Days without turns are left out."""

    first: str
    last: str
    days: list[DayLatency]


def usage_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/usage", tags=["usage"])
    Identified = Annotated[Caller, Depends(identifier(context, None, counted=False))]

    @router.get("")
    async def usage(
        caller: Identified,
        first: First = None,
        last: Last = None,
        group: Annotated[list[Heading] | None, Query(max_length=3)] = None,
        everybody: bool = False,
    ) -> UsageReport:
        """What one's own keys used; with `everybody`, for keys of the scope `admin`, what all did."""
        if everybody:
            caller.demand(Scope.ADMIN)
        first, last = _span(first, last)
        headings: list[Heading] = list(dict.fromkeys(group or ["day"]))
        owner = None if everybody else caller.owner
        sums = await context.meter.report(owner, first.isoformat(), last.isoformat(), headings)
        totals = await context.meter.report(owner, first.isoformat(), last.isoformat(), [])
        return UsageReport(
            first=first.isoformat(),
            last=last.isoformat(),
            group=headings,
            rows=[
                UsageRow(day=one.day, key=one.key, provider=one.provider, **_counts(one).model_dump())
                for one in sums
            ],
            total=_counts(totals[0]) if totals else _NOTHING,
        )

    @router.get("/latency")
    async def latency(caller: Identified, first: First = None, last: Last = None) -> LatencyReport:
        """How long one's own users waited for replies, day by day."""
        first, last = _span(first, last)
        from_ms = _midnight_ms(first)
        by_day: dict[str, list[float]] = defaultdict(list)
        found = await context.meter.latencies(caller.owner, from_ms, _midnight_ms(last) + 86_400_000)
        for at_ms, response_ms in found:
            by_day[f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"].append(response_ms)
        return LatencyReport(
            first=first.isoformat(),
            last=last.isoformat(),
            days=[_latency(day, sorted(by_day[day])) for day in sorted(by_day)],
        )

    return router


_NOTHING = UsageCounts(
    requests=0, calls=0, audio_seconds=0, input_tokens=0, output_tokens=0, characters=0, cost=0
)


def _span(first: date | None, last: date | None) -> tuple[date, date]:
    last = last or datetime.now(UTC).date()
    try:
        first = first or last - timedelta(days=_USUAL_DAYS - 1)
    except OverflowError:
        first = last
    if not date(1970, 1, 1) <= first <= last <= date(9000, 1, 1) or (last - first).days >= MOST_DAYS:
        raise ProtocolError(
            f"'from' must be no later than 'to', and from the one to the other at most {MOST_DAYS} days.",
            code="invalid_request",
        )
    return first, last


def _midnight_ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _counts(one: UsageSum) -> UsageCounts:
    return UsageCounts(
        requests=one.requests,
        calls=one.calls,
        audio_seconds=round(one.audio_ms / 1000, 3),
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        characters=one.characters,
        cost=round(one.cost, 6),
    )


def _latency(day: str, waits_ms: list[float]) -> DayLatency:
    return DayLatency(
        day=day,
        turns=len(waits_ms),
        median_ms=round(waits_ms[len(waits_ms) // 2], 1),
        slowest_20th_ms=round(waits_ms[min(len(waits_ms) * 19 // 20, len(waits_ms) - 1)], 1),
    )
