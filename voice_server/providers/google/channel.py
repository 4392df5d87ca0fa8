"""The connection to one Google service, made on first use and shared by all sessions."""

import asyncio
import os
from typing import Any
from urllib.parse import urlsplit

from voice_server.errors import ConfigurationError
from voice_server.providers.google.options import SCOPE, GoogleOptions
from voice_server.providers.lazily import Lazily
from voice_server.providers.registry import import_vendor


class GoogleChannel:
    """Opens a gRPC channel once; `metadata` goes with every call."""

    def __init__(self, options: GoogleOptions, service_host: str) -> None:
        self._options = options
        self._service_host = service_host
        self._opened = Lazily(self._open, self._close)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The key, where there is one; tokens of an account travel in the channel's own credentials."""
        key = self._options.api_key
        return (("x-goog-api-key", key),) if key else ()

    async def open(self) -> Any:
        """A `grpc.aio.Channel`; concurrent callers share one.

        Raises:
            ConfigurationError: the SDK is not installed, or the credentials cannot be read.
        """
        return await self._opened.get()

    async def close(self) -> None:
        """Close it; calls under way are cancelled."""
        await self._opened.close()

    async def _close(self, channel: Any) -> None:
        await channel.close()

    async def _open(self) -> Any:
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # its C core writes to stderr past our logging
        # To import takes a while, and talks must not stutter meanwhile.
        aio = await asyncio.to_thread(import_vendor, "grpc.aio", extra="google")
        grpc = import_vendor("grpc", extra="google")
        address, has_tls = self._address()
        if not has_tls:
            return aio.insecure_channel(address)
        if self._options.api_key:
            return aio.secure_channel(address, grpc.ssl_channel_credentials())
        helpers = await asyncio.to_thread(import_vendor, "google.api_core.grpc_helpers_async", extra="google")
        # Reads files, and may ask the cloud's metadata server.
        credentials = await asyncio.to_thread(self._credentials)
        return helpers.create_channel(address, credentials=credentials)

    def _address(self) -> tuple[str, bool]:
        base_url = self._options.base_url
        if base_url is None:
            region = self._options.region
            host = self._service_host if region == "global" else f"{region}-{self._service_host}"
            return f"{host}:443", True
        url = urlsplit(base_url if "//" in base_url else f"https://{base_url}")
        has_tls = url.scheme != "http"
        if not url.hostname:
            raise ConfigurationError(
                "VOICE_SERVER_VENDORS__GOOGLE__BASE_URL is no address; write it like https://host:443."
            )
        return f"{url.hostname}:{url.port or (443 if has_tls else 80)}", has_tls

    def _credentials(self) -> Any:
        auth = import_vendor("google.auth", extra="google")
        path = self._options.credentials_file
        try:
            if path is None:
                return auth.default(scopes=[SCOPE])[0]
            account = import_vendor("google.oauth2.service_account", extra="google")
            return account.Credentials.from_service_account_file(path, scopes=[SCOPE])
        except (OSError, ValueError, auth.exceptions.GoogleAuthError) as error:
            raise ConfigurationError(
                "Google's credentials cannot be read; check that "
                "VOICE_SERVER_VENDORS__GOOGLE__CREDENTIALS_FILE names the JSON key of a service account."
            ) from error
