"""The SDK's client, made on first use and shared by all sessions of a provider."""

import asyncio
from typing import Any

from voice_server.providers.elevenlabs.options import ElevenLabsOptions
from voice_server.providers.registry import import_vendor

_TIMEOUT_S = 60.0
"""Beyond every deadline of a session: a request that is still there is forgotten."""


class ElevenLabsClient:
    """Makes the client once, off the loop: the SDK takes a fifth of a second to import."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        self._options = options
        self._client: Any = None
        self._http: Any = None
        self._making = asyncio.Lock()

    async def get(self) -> Any:
        """An `AsyncElevenLabs`.

        Raises:
            ConfigurationError: the SDK is not installed.
        """
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
        return self._client

    async def close(self) -> None:
        """Close its connections."""
        self._client = None
        if self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    def _make(self) -> Any:
        httpx = import_vendor("httpx", extra="elevenlabs")
        vendor = import_vendor("elevenlabs.client", extra="elevenlabs")
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S)
        return vendor.AsyncElevenLabs(
            api_key=self._options.api_key,
            base_url=self._options.base_url,
            timeout=_TIMEOUT_S,
            httpx_client=self._http,
        )
