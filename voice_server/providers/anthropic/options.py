"""What the operator says about Anthropic, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from voice_server.errors import ConfigurationError

DEFAULT_MODEL = "claude-haiku-5-5"
OWN_ADDRESS = "https://api.anthropic.com"
_SETTING = "VOICE_SERVER_VENDORS__ANTHROPIC"


@dataclass(frozen=True, slots=True)
class AnthropicOptions:
    """`thinking`: thinking before speaking is silence to the one who waits, so it is `disabled`.

    `adaptive` lets the model decide, and its thoughts count as tokens of the reply; `default` says nothing
    of it, for models that take neither.
    """

    api_key: str
    base_url: str = OWN_ADDRESS
    model: str = DEFAULT_MODEL
    thinking: Literal["disabled", "adaptive", "default"] = "disabled"
    context_tokens: int = 200_000

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Take what is ours out of a factory's options.

        Raises:
            ConfigurationError: no key, or a field that cannot be.
        """
        found = {name: options[name] for name in cls.__slots__ if options.get(name) is not None}
        if not found.get("api_key"):
            raise ConfigurationError(f"Anthropic needs a key: set {_SETTING}__API_KEY.")
        address = urlsplit(found.get("base_url", OWN_ADDRESS))
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigurationError(f"{_SETTING}__BASE_URL is no address; write it like {OWN_ADDRESS}.")
        if found.get("thinking", "disabled") not in ("disabled", "adaptive", "default"):
            raise ConfigurationError(f"{_SETTING}__THINKING must be disabled, adaptive or default.")
        return cls(**found)
