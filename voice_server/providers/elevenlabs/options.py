"""What the operator says about ElevenLabs, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from voice_server.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ElevenLabsOptions:
    """`transport` of speech: `http` is one request a piece of text, `websocket` one socket a reply.

    Of recognition: `http` listens to whole clips again and again, `websocket` is Scribe in real time. None is
    the default of the role.
    """

    api_key: str
    base_url: str = "https://api.elevenlabs.io"
    model: str | None = None
    voice: str | None = None
    transport: Literal["http", "websocket"] | None = None

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Take what is ours out of a factory's options.

        Raises:
            ConfigurationError: no key, or a value that is none.
        """
        if not options.get("api_key"):
            raise ConfigurationError("ElevenLabs needs a key: set VOICE_SERVER_VENDORS__ELEVENLABS__API_KEY.")
        if (transport := options.get("transport")) not in (None, "http", "websocket"):
            raise ConfigurationError(
                f"ElevenLabs knows no transport {transport!r}; set "
                "VOICE_SERVER_VENDORS__ELEVENLABS__STT_TRANSPORT (or TTS_TRANSPORT) to http or websocket."
            )
        found = cls(**{name: options[name] for name in cls.__slots__ if options.get(name) is not None})
        if urlsplit(found.base_url).scheme not in ("http", "https"):
            raise ConfigurationError(
                "VOICE_SERVER_VENDORS__ELEVENLABS__BASE_URL is no address; write it like "
                "https://api.elevenlabs.io."
            )
        return found
