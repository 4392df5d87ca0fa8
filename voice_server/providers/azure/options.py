"""What the operator says about Azure, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from voice_server.errors import ConfigurationError
from voice_server.providers.registry import import_vendor


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """`region` (such as `westeurope`) is where the key belongs; `base_url` replaces its address."""

    api_key: str
    region: str | None = None
    base_url: str | None = None
    voice: str | None = None
    language: str = "en-US"

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Take what is ours out of a factory's options.

        Raises:
            ConfigurationError: no key, or no place to take it to.
        """
        if not options.get("api_key"):
            raise ConfigurationError("Azure needs a key: set VOICE_SERVER_VENDORS__AZURE__API_KEY.")
        if not (options.get("region") or options.get("base_url")):
            raise ConfigurationError(
                "Azure needs the region of its key, such as westeurope: set "
                "VOICE_SERVER_VENDORS__AZURE__REGION."
            )
        return cls(**{name: options[name] for name in cls.__slots__ if options.get(name) is not None})

    def speech_config(self) -> Any:
        """A fresh `SpeechConfig`. Needs the SDK, so call it off the loop.

        Raises:
            ConfigurationError: the SDK is not installed, or takes none of this.
        """
        speech = import_vendor("azure.cognitiveservices.speech", extra="azure")
        try:
            if self.base_url is None:
                return speech.SpeechConfig(subscription=self.api_key, region=self.region)
            scheme, _, rest = self.base_url.partition("://")
            host = f"{'ws' if scheme in ('http', 'ws') else 'wss'}://{(rest or scheme).rstrip('/')}"
            return speech.SpeechConfig(host=host, subscription=self.api_key)
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(
                "Azure's SDK refuses its settings; check VOICE_SERVER_VENDORS__AZURE__REGION and "
                "VOICE_SERVER_VENDORS__AZURE__BASE_URL, and that OpenSSL 3 is installed."
            ) from error
