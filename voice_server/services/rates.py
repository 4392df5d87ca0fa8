"""How many REST requests a key may make, by its tier: so many in any minute, so many in any 24 hours."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

from voice_server.core.caller import Caller, Tier
from voice_server.errors import ConfigurationError, LimitError

log = structlog.get_logger()

_ANSWER_S = 1.0
_LEFT_ALONE_S = 5.0  # a store that does not answer must not hold up every request
_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Requests a minute and a day."""

    minute: int
    day: int


@dataclass(frozen=True, slots=True)
class RateState:
    """The window that is nearer to its limit. `reset_s`: until its oldest request is forgotten."""

    limit: int
    remaining: int
    reset_s: float


class Rates:
    """Moving windows. A refused request does not count.

    Args:
        url: `redis://…` where several servers count together; empty counts in this process.

    Raises:
        ConfigurationError: the URL is of no Redis, or its package is missing.
    """

    def __init__(self, allowed: Mapping[Tier, Allowed], url: str = "") -> None:
        self._windows: dict[Tier, tuple[RateLimitItem, RateLimitItem]] = {
            tier: (RateLimitItemPerDay(one.day), RateLimitItemPerMinute(one.minute))
            for tier, one in allowed.items()
        }
        self._left_alone_until_s = 0.0
        self._pool: Any = None
        options: dict[str, Any] = {}
        if url:
            self._pool = options["connection_pool"] = _pool_of(url)
        storage = storage_from_string(
            "async+redis://" if url else "async+memory://", wrap_exceptions=True, **options
        )
        self._limiter = MovingWindowRateLimiter(storage)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._pool is not None:
            self._pool.disconnect()

    async def take(self, caller: Caller) -> tuple[RateState | None, LimitError | None]:
        """Count a request, or refuse it; and how the caller stands. Without a key there is no limit."""
        if caller.tier is None or caller.key_id is None:
            return None, None
        now_s = asyncio.get_running_loop().time()
        if now_s < self._left_alone_until_s:
            return None, None
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._take(caller.tier, caller.key_id)
        except (StorageError, TimeoutError) as error:
            self._left_alone_until_s = now_s + _LEFT_ALONE_S
            log.error(
                "requests are not counted for a while: the store of their counts does not answer",
                reason=repr(error),
                seconds=_LEFT_ALONE_S,
            )
            return None, None

    async def _take(self, tier: Tier, key: str) -> tuple[RateState | None, LimitError | None]:
        day, minute = windows = self._windows[tier]
        # Of requests that come together each is counted as it is granted; what a day refuses counts nowhere.
        for window, grant in (
            (day, self._limiter.test),
            (minute, self._limiter.hit),
            (day, self._limiter.hit),
        ):
            if not await grant(window, key):
                state = await self._state(window, key)
                what = "a minute" if isinstance(window, RateLimitItemPerMinute) else "a day"
                return state, LimitError(
                    f"Too many requests: a key of the tier '{tier.value}' may make {state.limit} {what}.",
                    code="rate_limited",
                    retry_after_s=max(state.reset_s, 1.0),
                )
        states = [await self._state(window, key) for window in windows]
        return min(states, key=lambda state: state.remaining), None

    async def _state(self, window: RateLimitItem, key: str) -> RateState:
        stats = await self._limiter.get_window_stats(window, key)
        return RateState(window.amount, max(stats.remaining, 0), max(stats.reset_time - time.time(), 0.0))


def _pool_of(url: str) -> Any:
    """Connections to a Redis that are ours to close."""
    try:
        if urlsplit(url).scheme not in _SCHEMES:  # the library would take it, and reach nobody
            raise ValueError(url)
        from coredis import ConnectionPool

        return ConnectionPool.from_url(url)
    except ImportError as error:
        raise ConfigurationError(
            "redis_url needs a package that is not installed: pip install 'voice-server[redis]'."
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            "redis_url is no URL of a Redis; an example: redis://host:6379/0."
        ) from error
