"""One provider in one role, as all sessions share it: its breaker, and how many calls it takes at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Generic, TypeVar

import structlog

from voice_server.errors import ProviderError, ProviderUnavailable, VoiceServerError
from voice_server.providers.base import Provider
from voice_server.providers.resilient.breaker import Breaker, Pass, Status
from voice_server.providers.resilient.policy import NotCalledError, Policy, Role

log = structlog.get_logger()

P = TypeVar("P", bound=Provider)


class Guard(Generic[P]):
    """Every call to `provider` goes through here.

    Args:
        most_calls: at once; None is any number.
    """

    def __init__(self, provider: P, role: Role, policy: Policy, most_calls: int | None = None) -> None:
        self.provider = provider
        self._role = role
        self._breaker = Breaker(policy.breaker_failures, policy.breaker_window_ms / 1000)
        self._slots = asyncio.Semaphore(most_calls) if most_calls is not None else None
        self.is_warm = False

    @property
    def status(self) -> Status:
        """How it does."""
        return self._breaker.status

    @property
    def would_admit(self) -> bool:
        """Whether it may be called now."""
        return self._breaker.would_admit(_now_s())

    async def warm(self) -> None:
        """Warm the provider, once.

        Raises:
            VoiceServerError: it is not ready; what is no error of ours becomes one.
        """
        if self.is_warm:
            return
        try:
            await self.provider.warm()
        except VoiceServerError:
            raise
        except Exception as error:
            raise self._broken(ProviderUnavailable, "could not get ready") from error
        self.is_warm = True

    @asynccontextmanager
    async def call(self, wait_s: float | None) -> AsyncIterator[Pass]:
        """Around one call, so that what becomes of it is known. Ends well: it has done what it should.

        Args:
            wait_s: for a free slot; None waits as long as it takes.

        Raises:
            NotCalledError: it is left alone for now, or has no slot free.
            VoiceServerError: what the call raised; what is no error of ours becomes one.
        """
        if (leave := self._breaker.admit(_now_s())) is None:
            raise self._not_called("is failing and is left alone for a moment")
        try:
            async with await self._slot(wait_s):
                yield leave
        except _Busy:
            leave.left(_now_s())
            raise self._not_called("has no call to spare") from None
        except ProviderError as error:
            if error.retryable or isinstance(error, ProviderUnavailable):
                leave.failed(_now_s(), error.retry_after_s)
            else:  # the request's own fault
                leave.left(_now_s())
            raise
        except VoiceServerError:
            leave.left(_now_s())
            raise
        except Exception as error:
            leave.failed(_now_s(), None)
            raise self._broken(ProviderError, "failed") from error
        except BaseException:  # cancelled, or left by its reader
            leave.left(_now_s())
            raise
        leave.succeeded()

    async def _slot(self, wait_s: float | None) -> Any:
        if self._slots is None:
            return nullcontext()
        try:
            async with asyncio.timeout(wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise _Busy from None
        return _Taken(self._slots)

    def _broken(self, kind: type[ProviderError], what: str) -> ProviderError:
        log.exception("provider broke", role=self._role, provider=self.provider.name)
        return kind(f"{self.provider.title} {what}.", stage=self._role)

    def _not_called(self, why: str) -> NotCalledError:
        return NotCalledError(f"{self.provider.title} {why}.", stage=self._role)


class _Taken:
    """A slot to give back."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()


class _Busy(Exception):
    """No slot came free in time."""


def _now_s() -> float:
    return asyncio.get_running_loop().time()
