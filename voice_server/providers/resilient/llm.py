"""A chain of language models."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from itertools import count

from voice_server.errors import ProviderError, ProviderTimeout, VoiceServerError
from voice_server.providers.base import (
    LanguageModel,
    LlmCapabilities,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    ServedBy,
)
from voice_server.providers.resilient.begun import Begun
from voice_server.providers.resilient.chain import Candidate, Chain

Answer = AsyncGenerator[ReplyDelta, None]


class LanguageModelChain(Chain[LanguageModel]):
    """A `LanguageModel`. Before its first word the next model is asked instead; after it, nobody is."""

    @property
    def model(self) -> str:
        return self.first.model

    @property
    def capabilities(self) -> LlmCapabilities:
        return self.first.capabilities

    async def reply(self, request: ReplyRequest) -> Answer:
        """Stream the reply of the first model that has one."""
        candidates = self.candidates(lambda llm: True)
        race = _Race()
        failure: VoiceServerError | None = None
        next_up = next(candidates, None)
        try:
            while True:
                if not race.is_on:
                    if next_up is None:
                        raise failure or self.unavailable()
                    race.enter(next_up, self._answer(next_up, request))
                    next_up = next(candidates, None)
                is_hedged = next_up is not None and self._policy.hedge_ms is not None
                finished = await race.next(self._policy.hedge_ms if is_hedged else None)
                if finished is None and next_up is not None:
                    race.enter(next_up, self._answer(next_up, request))
                    next_up = next(candidates, None)
                elif finished is not None:
                    candidate, answer, first = finished
                    if not isinstance(first, VoiceServerError):
                        break
                    failure = failure or first
                    self.failed(candidate.guard.provider, first)
                    await answer.aclose()
            await race.abandon()
            async with aclosing(answer):
                llm = candidate.guard.provider
                yield ServedBy(f"{llm.name}/{llm.model}")
                yield first
                async for delta in answer:
                    yield delta
        finally:
            await race.abandon()

    async def _answer(self, candidate: Candidate[LanguageModel], request: ReplyRequest) -> Answer:
        """One model's answer, asked again if it fails before it begins."""
        loop = asyncio.get_running_loop()
        first_ms, gap_ms = candidate.deadlines.llm_first_token_ms, self._policy.last.llm_gap_ms
        llm = candidate.guard.provider
        if not llm.capabilities.tools:
            request = replace(request, tools=())
        due_s: float | None = None
        for attempt in count():
            has_begun = False
            try:
                async with candidate.guard.call(candidate.wait_s) as leave:
                    await candidate.warm(first_ms)
                    due_s = due_s or loop.time() + first_ms / 1000
                    async with aclosing(llm.reply(request)) as deltas:
                        while (
                            delta := await self._next(deltas, gap_ms if has_begun else None, due_s)
                        ) is not None:
                            if not isinstance(delta, ReplyUsage):
                                has_begun = True
                                leave.answered()
                            if has_begun:  # else nothing was said, and another may be asked
                                yield delta
                    if not has_begun:
                        nothing = "The language model gave an empty reply."
                        raise ProviderError(nothing, code="empty_reply", stage="llm")
                return
            except VoiceServerError as error:
                left_s = first_ms / 1000 if due_s is None else due_s - loop.time()
                pause_s = self._policy.pause_s(error, attempt, left_s)
                if has_begun or pause_s is None:
                    raise
            await asyncio.sleep(pause_s)

    @staticmethod
    async def _next(deltas: Answer, gap_ms: float | None, due_s: float) -> ReplyDelta | None:
        """The next delta, within the gap that is allowed, or until the first one is due."""
        if (delta := Begun(anext(deltas, None))).is_over:
            return await delta
        if gap_ms is not None:
            due_s = asyncio.get_running_loop().time() + gap_ms / 1000
        try:
            async with asyncio.timeout_at(due_s):
                return await delta
        except TimeoutError as error:
            raise ProviderTimeout("The language model was silent for too long.", stage="llm") from error


Outcome = ReplyDelta | VoiceServerError


class _Race:
    """Answers of which the first to begin counts."""

    def __init__(self) -> None:
        self._ready: list[tuple[Candidate[LanguageModel], Answer]] = []
        self._running: dict[asyncio.Task[Outcome], tuple[Candidate[LanguageModel], Answer]] = {}

    @property
    def is_on(self) -> bool:
        """Whether anybody is in it."""
        return bool(self._ready or self._running)

    def enter(self, candidate: Candidate[LanguageModel], answer: Answer) -> None:
        """One more."""
        self._ready.append((candidate, answer))

    async def next(self, wait_ms: float | None) -> tuple[Candidate[LanguageModel], Answer, Outcome] | None:
        """Who has begun or failed; None: nobody within `wait_ms`."""
        if wait_ms is None and not self._running and len(self._ready) == 1:  # nobody to race with
            candidate, answer = self._ready.pop()
            return candidate, answer, await _first(answer)
        for candidate, answer in self._ready:
            self._running[asyncio.create_task(_first(answer), name="first token")] = candidate, answer
        self._ready.clear()
        wait_s = None if wait_ms is None else wait_ms / 1000
        done, _ = await asyncio.wait(self._running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            return *self._running.pop(task), task.result()
        return None

    async def abandon(self) -> None:
        """Cancel who is still in it."""
        running, self._running = self._running, {}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for task, (_, answer) in running.items():
            if not task.cancelled():
                task.exception()
            await answer.aclose()


async def _first(answer: Answer) -> Outcome:
    try:
        return await anext(answer)
    except VoiceServerError as error:
        return error
