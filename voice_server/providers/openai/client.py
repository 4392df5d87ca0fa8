"""The SDK's client, made on first use and shared by all sessions."""

import asyncio
from typing import Any

from voice_server.providers.lazily import Lazily
from voice_server.providers.openai.options import OpenAiOptions
from voice_server.providers.registry import import_vendor

_SILENCE_S = 60.0
"""A net under the callers' own deadlines, which are much shorter."""
_CONNECT_S = 10.0


def openai_client(options: OpenAiOptions) -> Lazily[Any]:
    """One `AsyncOpenAI`: its connections, its key, and no retries.

    `get` raises `ConfigurationError` where the SDK is not installed.
    """

    async def make() -> Any:
        openai = await asyncio.to_thread(import_vendor, "openai", extra="openai")  # takes 0.4 s
        httpx = import_vendor("httpx2", extra="openai")
        client = openai.AsyncOpenAI(
            api_key=options.api_key,
            base_url=options.base_url,
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            max_retries=0,
        )
        # Given None, the constructor would have looked into the environment.
        client.organization, client.project = options.organization, options.project
        return client

    async def close(client: Any) -> None:
        await client.close()

    return Lazily(make, close)
