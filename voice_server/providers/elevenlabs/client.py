"""The SDK's client, made on first use and shared by all sessions of a provider."""

import asyncio
from typing import Any

from voice_server.providers.elevenlabs.options import ElevenLabsOptions
from voice_server.providers.lazily import Lazily
from voice_server.providers.registry import import_vendor

_TIMEOUT_S = 60.0
"""Beyond every deadline of a session: a request that is still there is forgotten."""


class ElevenLabsClient:
    """An `AsyncElevenLabs`, and the HTTP client of ours that it uses, because it closes none."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._made = Lazily(self._make, self._close)

    async def get(self) -> Any:
        """An `AsyncElevenLabs`.

        Raises:
            ConfigurationError: the SDK is not installed.
        """
        vendor, _ = await self._made.get()
        return vendor

    async def close(self) -> None:
        """Close its connections."""
        await self._made.close()

    async def _make(self) -> tuple[Any, Any]:
        return await asyncio.to_thread(self._import)  # the SDK takes a fifth of a second to import

    async def _close(self, made: tuple[Any, Any]) -> None:
        await made[1].aclose()

    def _import(self) -> tuple[Any, Any]:
        httpx = import_vendor("httpx", extra="elevenlabs")
        vendor = import_vendor("elevenlabs.client", extra="elevenlabs")
        http = httpx.AsyncClient(timeout=_TIMEOUT_S)
        return vendor.AsyncElevenLabs(
            api_key=self._options.api_key,
            base_url=self._options.base_url,
            timeout=_TIMEOUT_S,
            httpx_client=http,
        ), http
