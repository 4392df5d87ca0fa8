"""Providers of one role in the order in which they are asked; the first is the one that was wished for."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from voice_server.errors import (
    AudioError,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    VoiceServerError,
)
from voice_server.providers.base import Provider
from voice_server.providers.resilient.guard import Guard
from voice_server.providers.resilient.policy import Deadlines, Policy, Role

log = structlog.get_logger()

P = TypeVar("P", bound=Provider)

LAST_WAITS_S = 3.0
"""For a free slot of a provider behind which nobody stands."""


@dataclass(frozen=True, slots=True)
class Candidate(Generic[P]):
    """One to ask, and how patiently. `wait_s`: for a free slot."""

    guard: Guard[P]
    deadlines: Deadlines
    is_last: bool
    wait_s: float | None

    async def warm(self, deadline_ms: float) -> None:
        """Have it ready. Nobody waits for one that loads while another could serve.

        Raises:
            ProviderTimeout: another should be asked.
        """
        if self.is_last:
            await self.guard.warm()
            return
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                await self.guard.warm()
        except TimeoutError as error:
            raise ProviderTimeout(f"{self.guard.provider.title} is still loading.") from error


class Chain(Generic[P]):
    """What the chains of all roles have in common: they are providers, named after their first.

    Raises (of a call): the first provider's failure, when all have failed.
    """

    def __init__(self, role: Role, guards: Sequence[Guard[P]], policy: Policy) -> None:
        self._role = role
        self._guards = guards
        self._policy = policy
        self._warming: set[asyncio.Task[None]] = set()

    @property
    def first(self) -> P:
        """The one that was wished for."""
        return self._guards[0].provider

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def title(self) -> str:
        return self.first.title

    @property
    def status(self) -> str:
        """How the first one does: `ok` or `troubled`."""
        return self._guards[0].status

    async def warm(self) -> None:
        """Until the first one that can serve is ready; those behind it get ready meanwhile."""
        head, *others = self._guards
        if head.is_warm:
            return
        if not self._warming:
            for guard in others:
                if not guard.is_warm:
                    task = asyncio.create_task(self._warm_behind(guard), name=f"warm {guard.provider.name}")
                    self._warming.add(task)
                    task.add_done_callback(self._warming.discard)
        failure: VoiceServerError | None = None
        for guard in self._guards:
            try:
                if guard.would_admit:
                    await guard.warm()
                    return
            except VoiceServerError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Close the first one; the others are each the first of a chain of their own."""
        for task in self._warming:
            task.cancel()
        await self.first.close()

    async def _warm_behind(self, guard: Guard[P]) -> None:
        try:
            await guard.warm()
        except VoiceServerError as error:
            log.warning(
                "fallback failed to warm",
                role=self._role,
                provider=guard.provider.name,
                reason=error.message,
            )

    def candidates(self, can_serve: Callable[[P], bool]) -> Iterator[Candidate[P]]:
        """Those to ask, one after the other failed. The first always can serve: it was chosen."""
        able = [guard for guard in self._guards if guard is self._guards[0] or can_serve(guard.provider)]
        for index, guard in enumerate(able):
            if not guard.would_admit:
                continue
            is_last = not any(other.would_admit for other in able[index + 1 :])
            if is_last:
                yield Candidate(guard, self._policy.last, True, LAST_WAITS_S)
            else:
                yield Candidate(guard, self._policy.switching, False, self._policy.busy_wait_ms / 1000)

    def unavailable(self) -> ProviderUnavailable:
        """Nobody could be asked at all."""
        return ProviderUnavailable(
            f"{self.title} is failing and is left alone for a moment; please try again.", stage=self._role
        )

    def failed(self, provider: P, error: VoiceServerError) -> None:
        """A provider has failed; only here is it said which and why, whoever serves in its stead."""
        if isinstance(error, AudioError):
            raise error  # the audio is at fault: another would say the same
        if isinstance(error, ProviderError) and error.stage == "internal":
            error.stage = self._role
        log.warning("provider failed", role=self._role, provider=provider.name, code=error.code)


def chain_status(providers: Sequence[Provider]) -> dict[str, str]:
    """How the first of each chain does, by name."""
    return {one.name: one.status for one in providers if isinstance(one, Chain)}
