"""What the operator says about OpenAI, or about a server that speaks as it does, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from voice_server.errors import ConfigurationError

OWN_ADDRESS = "https://api.openai.com/v1"
_NO_KEY = "none"  # the SDK sends one, and servers without keys do not look


@dataclass(frozen=True, slots=True)
class OpenAiOptions:
    """`base_url` with another `name` is another vendor's server, or one of your own; it may need no key.

    `model` is the language model, `stt_model` and `tts_model` are those of other roles. `transport`: how
    speech is recognised, over a WebSocket while it is spoken (`realtime`) or by whole clips (`http`); unset,
    it is `realtime` at OpenAI's own address and `http` elsewhere. `partial_every_ms`: with `http`, the new
    audio that is worth another request, for a partial transcript. `reasoning_effort`: as OpenAI names it;
    unset, it is the model's own, and `none` for our default model. `voices`: the ids of voices, where they
    are not OpenAI's; `voice` comes first among them. `instructions`: how the voice should speak.
    `embeddings_model` and `embeddings_dimensions`: what makes vectors of texts, and how long they are; the
    default model has 1,536 numbers, made to be cut, and a third of them tells nearly as much.
    """

    api_key: str
    base_url: str = OWN_ADDRESS
    name: str = "openai"
    organization: str | None = None
    project: str | None = None
    model: str | None = None
    reasoning_effort: str | None = None
    context_tokens: int = 128_000
    stt_model: str | None = None
    transport: Literal["http", "realtime"] | None = None
    partial_every_ms: int = 1000
    tts_model: str | None = None
    voice: str | None = None
    voices: tuple[str, ...] = ()
    instructions: str | None = None
    embeddings_model: str | None = None
    embeddings_dimensions: int = 512

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Take what is ours out of a factory's options.

        Raises:
            ConfigurationError: no key, or a field that cannot be.
        """
        found = {name: options[name] for name in cls.__slots__ if options.get(name) is not None}
        found["base_url"] = str(found.get("base_url") or OWN_ADDRESS).rstrip("/")
        found["voices"] = tuple(found.get("voices", ()))
        setting = f"VOICE_SERVER_VENDORS__{str(found.get('name', 'openai')).upper()}"
        if not found.get("api_key"):
            if found["base_url"] == OWN_ADDRESS:
                raise ConfigurationError(f"OpenAI needs a key: set {setting}__API_KEY.")
            found["api_key"] = _NO_KEY
        address = urlsplit(found["base_url"])
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigurationError(
                f"{setting}__BASE_URL is no address; write it like https://api.example/v1."
            )
        if found.get("transport") not in (None, "http", "realtime"):
            raise ConfigurationError(f"{setting}__STT_TRANSPORT must be http or realtime.")
        return cls(**found)

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself."""
        return self.base_url == OWN_ADDRESS

    @property
    def title(self) -> str:
        """What people call the vendor."""
        return "OpenAI" if self.name == "openai" else self.name

    @property
    def setting(self) -> str:
        """What the names of its settings begin with."""
        return f"VOICE_SERVER_VENDORS__{self.name.upper()}"
