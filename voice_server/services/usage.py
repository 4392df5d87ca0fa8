"""Counts what keys use, prices it, and says when one has had enough."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from voice_server.clock import Clock
from voice_server.core.caller import Caller, Tier
from voice_server.core.usage import Standing, Use
from voice_server.errors import LimitError, StoreError
from voice_server.services.prices import PriceList
from voice_server.store.usage import UsageLedger, UsageRecord, UsageSum, place_of

log = structlog.get_logger()

ANONYMOUS_KEY = "none"
_MOST_WAITING = 100_000
_COUNTED = ("requests", "audio_ms", "input_tokens", "output_tokens", "characters", "cost")


@dataclass(frozen=True, slots=True)
class Allowances:
    """Minutes of speech a day by tier, and the share of a budget from which on its holder is warned."""

    audio_minutes: Mapping[Tier, int]
    warn_at: float = 0.8


class Meter:
    """The `UsageMeter` of a server. Rows are added up here and written together, every two seconds."""

    def __init__(self, ledger: UsageLedger, prices: PriceList, clock: Clock, allowances: Allowances) -> None:
        self._ledger = ledger
        self._prices = prices
        self._clock = clock
        self._allowances = allowances
        self._waiting: dict[tuple[str, ...], UsageRecord] = {}
        self._writing: Sequence[UsageRecord] = ()
        self._one_writes = asyncio.Lock()

    @property
    def today(self) -> str:
        """The day in UTC, as rows have it."""
        return self._clock.utc().strftime("%Y-%m-%d")

    def record(self, caller: Caller, use: Use) -> float:
        """Count it; gives what it cost, in USD."""
        cost = self._prices.of(use)
        one = UsageRecord(
            self.today,
            caller.owner,
            caller.key_id or ANONYMOUS_KEY,
            use.kind,
            use.provider[:200],
            use.model[:200],
            1,
            round(use.audio_ms),
            use.input_tokens,
            use.output_tokens,
            use.characters,
            cost,
        )
        if len(self._waiting) < _MOST_WAITING or place_of(one) in self._waiting:
            self._keep(one)
        else:
            log.error("usage lost", waiting=len(self._waiting))
        return cost

    def _keep(self, one: UsageRecord) -> None:
        if (before := self._waiting.get(place_of(one))) is not None:
            one = replace(one, **{name: getattr(before, name) + getattr(one, name) for name in _COUNTED})
        self._waiting[place_of(one)] = one

    async def standing(self, caller: Caller, *, voice: bool = False) -> Standing:
        """Whether the caller may go on. Where the database does not answer, it may."""
        # A query that is cancelled takes its connection along: who stops waiting does not stop it.
        return await asyncio.shield(self._standing(caller, voice=voice))

    async def _standing(self, caller: Caller, *, voice: bool) -> Standing:
        try:
            if voice and (refusal := await self._heard_enough(caller)) is not None:
                return Standing(refusal=refusal)
            return await self._budget(caller)
        except StoreError:
            return Standing()

    async def _heard_enough(self, caller: Caller) -> LimitError | None:
        if caller.tier is None or caller.key_id is None:
            return None
        most = self._allowances.audio_minutes[caller.tier]
        heard_ms = await self._ledger.heard_ms(caller.key_id, self.today)
        heard_ms += sum(one.audio_ms for one in self._unwritten(caller.key_id) if one.stage == "stt")
        if heard_ms < most * 60_000:
            return None
        return LimitError(
            f"This key has had its {most} minutes of audio for today; the day ends at 0:00 UTC.",
            code="audio_minutes",
            retry_after_s=self._left_of_day_s,
        )

    async def _budget(self, caller: Caller) -> Standing:
        budget = caller.monthly_budget
        if budget is None or caller.key_id is None:
            return Standing()
        spent = await self._ledger.spent(caller.key_id, self.today[:7])
        spent += sum(one.cost for one in self._unwritten(caller.key_id))
        told = f"{spent:.2f} of the {budget:.2f} USD that this key may cost in a month"
        if spent >= budget:
            return Standing(
                refusal=LimitError(
                    f"The budget is exhausted: {told} are spent. Its owner can raise it, or wait for the "
                    "first of the month (UTC).",
                    code="budget_exhausted",
                    retry_after_s=self._left_of_day_s,
                )
            )
        if spent >= self._allowances.warn_at * budget:
            return Standing(
                warning=LimitError(f"The budget is nearly used: {told} are spent.", code="budget_warning")
            )
        return Standing()

    @property
    def _left_of_day_s(self) -> float:
        now = self._clock.utc()
        return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)

    def _unwritten(self, key: str) -> list[UsageRecord]:
        return [one for one in (*self._waiting.values(), *self._writing) if one.key == key]

    async def report(
        self, owner: str | None, first_day: str, last_day: str, groups: Sequence[str]
    ) -> list[UsageSum]:
        """Usage from a day to a day, up to this moment."""
        await self.write()
        return await self._ledger.report(owner, first_day, last_day, groups)

    async def latencies(self, owner: str, from_ms: int, to_ms: int) -> list[tuple[int, float]]:
        """When replies were written, and how long they took to be heard (ms)."""
        return await self._ledger.latencies(owner, from_ms, to_ms)

    async def write(self) -> None:
        """Write what has gathered.

        Raises:
            StoreError: the database does not take it; nothing is lost.
        """
        async with self._one_writes:
            self._writing, self._waiting = tuple(self._waiting.values()), {}
            try:
                if self._writing:
                    await self._ledger.add(self._writing)
            except BaseException:
                for one in self._writing:
                    self._keep(one)
                raise
            finally:
                self._writing = ()
