"""The SDK's client, made on first use and shared by all sessions."""

import asyncio
from typing import Any

from voice_server.providers.anthropic.options import AnthropicOptions
from voice_server.providers.lazily import Lazily
from voice_server.providers.registry import import_vendor

_SILENCE_S = 60.0
"""A net under the callers' own deadlines, which are much shorter."""
_CONNECT_S = 10.0


def anthropic_client(options: AnthropicOptions) -> Lazily[Any]:
    """One `AsyncAnthropic`: its connections, its key, and no retries.

    `get` raises `ConfigurationError` where the SDK is not installed.
    """

    async def make() -> Any:
        anthropic = await asyncio.to_thread(import_vendor, "anthropic", extra="anthropic")  # takes 0.5 s
        httpx = import_vendor("httpx2", extra="anthropic")
        return anthropic.AsyncAnthropic(
            api_key=options.api_key,
            base_url=options.base_url,
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            max_retries=0,
        )

    async def close(client: Any) -> None:
        await client.close()

    return Lazily(make, close)
