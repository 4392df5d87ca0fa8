"""Every setting: its name, default, range and meaning. The sentence under a field is its documentation."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from voice_server.settings.kinds import Folder, Names, OptionalFile, from_text
from voice_server.settings.tables import (
    Chat,
    Deadlines,
    Limits,
    Recording,
    Resilience,
    Switching,
    Table,
    TurnDetection,
)
from voice_server.settings.tools import Tools
from voice_server.settings.vendors import Vendors


def _keys_from_text(value: object) -> object:
    """A plain key is given a name, so that logs can tell keys apart without showing them."""
    keys = from_text(value)
    if not isinstance(keys, list):
        return keys
    return [
        {"key": key, "name": f"key-{n}"} if isinstance(key, str) else key for n, key in enumerate(keys, 1)
    ]


ProviderNames = Annotated[Names, Field(min_length=1)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(from_text)]
LanguageTag = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
LanguageTags = Annotated[tuple[LanguageTag, ...], NoDecode, BeforeValidator(from_text)]
Port = Annotated[int, Field(ge=0, le=65_535)]


def _origin_of(address: str) -> str:
    """As browsers spell it: in small letters, without the usual port."""
    url = urlsplit(address)
    scheme = url.scheme.replace("ws", "http")
    host = url.netloc.rpartition("@")[2].lower()
    return f"{scheme}://{host.removesuffix({'http': ':80', 'https': ':443'}[scheme])}"


class Tier(StrEnum):
    """What a key may use at once."""

    FREE = "free"
    BASIC = "basic"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class ApiKey(Table):
    """One key. `name` is what logs show in its stead; `owner` is the user it acts for; `tools` are patterns
    of the server's tools it may use, instead of its tier's."""

    key: Annotated[SecretStr, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1, max_length=55)]  # with what goes before it, an id of a key
    tier: Tier = Tier.PRO
    owner: Annotated[str | None, Field(max_length=200)] = None
    scopes: tuple[Literal["voice", "chat", "admin"], ...] = ("voice", "chat")
    monthly_budget: Annotated[float | None, Field(gt=0)] = None
    tools: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(from_text)] = None


ApiKeys = Annotated[tuple[ApiKey, ...], NoDecode, BeforeValidator(_keys_from_text)]


class Settings(BaseSettings):
    """Every setting. `Settings()` is the defaults and reads nothing; `load_settings` reads every source."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        validate_default=True,
        env_prefix="VOICE_SERVER_",
        env_nested_delimiter="__",
        env_ignore_empty=True,  # compose files pass ${NAME:-} for what is not set
    )

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on; `0.0.0.0` is every network this machine is in."""
    port: Port = 6789
    """Port of the voice WebSocket; 0 takes any free one."""
    rest_port: Port = 8080
    """Port of the REST API and the talk page; 0 takes any free one."""
    public_url: Annotated[str, Field(pattern=r"^((wss?|https?)://[^\s/]+\S*)?$")] = ""
    """Address that clients are told to use instead of `ws://HOST:PORT`, such as `wss://voice.example`, behind
    a proxy."""
    data_dir: Folder = Path("~/.local/share/voice_server")
    """Folder of what the server keeps."""
    database_url: str = ""
    """Database of conversations, keys and usage, such as `postgresql://user:password@host/name`; empty is the
    SQLite file `voice_server.db` in `data_dir`."""
    models_dir: Folder = Path("~/.cache/voice_server/models")
    """Folder of the local models' weights."""
    insecure: bool = False
    """Serve other machines without any API key: whoever can reach the port may talk."""
    strict: bool = False
    """Refuse a request for a provider, model or voice that is not configured, instead of serving it with the
    default."""
    tls_cert: OptionalFile = None
    """PEM file with the TLS certificate chain; empty serves without TLS."""
    tls_key: OptionalFile = None
    """PEM file with the TLS private key."""
    trusted_proxies: Networks = ()
    """Addresses or networks whose `X-Forwarded-For` is believed."""
    origins: Names = ()
    """Web origins that may connect, such as `https://app.example`; empty means the REST port's own, on
    this machine and at `public_url`."""
    api_keys: ApiKeys = ()
    """Who may connect: tables of `key`, `name`, `tier`, `owner`, `scopes`, `monthly_budget` (USD) and
    `tools`, or plain keys (of the tier `pro`), beside the keys that `voice-server keys create` makes; where
    there is none of either, nobody is asked for a key."""
    client_token_s: Annotated[float, Field(gt=0, le=3600)] = 60
    """How long a client token (`POST /api/tokens`) waits to be used."""
    web_session_h: Annotated[float, Field(gt=0, le=8760)] = 24
    """How long a browser stays signed in, in hours."""
    redis_url: SecretStr = SecretStr("")
    """Redis that counts requests for several servers, such as `redis://host:6379/0`; empty counts in
    memory."""
    prices_file: OptionalFile = None
    """TOML file of prices instead of the `config/prices.toml` that comes with the server."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log line that is written."""
    log_format: Literal["console", "json"] = "console"
    """`console` is for people, `json` for machines."""
    metrics: Literal["off", "private", "open"] = "private"
    """Who may read `/metrics` on the REST port: nobody; whoever has a key, and this machine; or everybody."""
    traces: Annotated[str, Field(pattern=r"^(https?://[^\s/]+\S*)?$")] = ""
    """Where a trace of each turn is sent by OTLP over HTTP, such as `http://localhost:4318/v1/traces`; empty
    sends none. Needs the extra `otel`."""
    stt: ProviderNames = ("local",)
    """Speech-to-text providers: the first is used unless a caller asks for another of them, the others in
    their order when it fails."""
    llm: ProviderNames = ("local",)
    """Language model providers: the first is used unless a caller asks for another of them, the others in
    their order when it fails."""
    tts: ProviderNames = ("local",)
    """Text-to-speech providers: the first is used unless a caller asks for another of them, the others in
    their order when it fails."""
    embeddings: str = "local"
    """The provider of embeddings, by which messages are found by their meaning; empty finds them by their
    words alone."""
    llm_model: Literal["smollm2", "qwen-0.5b", "qwen-1.5b"] = "qwen-1.5b"
    """The local language model, from fast and simple to slower and better."""
    partial_every_ms: Annotated[int, Field(ge=0, le=10_000)] = 700
    """How much more a user must have said before the local speech-to-text guesses again at the words so far,
    if it has nothing better to do; 0 never guesses."""
    tts_voice: Annotated[str, Field(min_length=1)] = "joe"
    """The voice that speaks, unless the client asks for another; while nobody sets it, a provider that does
    not have it speaks with its own first one."""
    voices_refresh_min: Annotated[float, Field(ge=0, le=10_080)] = 60
    """How often vendors are asked anew which voices they have, in minutes; 0 asks them once."""
    language: LanguageTag = "en-US"
    """The language that is spoken (BCP 47), unless the client asks for another."""
    languages: LanguageTags = ()
    """What a client that asks for the language `auto` may speak; empty is all that can be both understood and
    spoken."""
    system_prompt: str = (
        "You are a friendly voice assistant, and your words are spoken aloud. Answer in one or two short "
        "spoken sentences, without lists, markdown, emoji or code. You have no live data: no news, no "
        "weather, no clock. When you do not know something, say so."
    )
    """What the language model is told before every conversation, unless the client brings its own."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.5
    """How freely the language model chooses its words."""
    max_tokens: Annotated[int, Field(ge=1, le=32_768)] = 256
    """Longest reply, in tokens of the language model."""
    turn_detection: TurnDetection = TurnDetection()
    limits: Limits = Limits()
    deadlines: Deadlines = Deadlines()
    switching: Switching = Switching()
    resilience: Resilience = Resilience()
    chat: Chat = Chat()
    recording: Recording = Recording()
    tools: Tools = Tools()
    vendors: Vendors = Vendors()

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `load_settings` orders the sources, because errors must name theirs."""
        return (init_settings,)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set both, or neither")
        if self.port == self.rest_port != 0:
            raise ValueError(f"port and rest_port are both {self.port}: two servers need two ports")
        names = [key.name for key in self.api_keys]
        if len(set(names)) < len(names):
            raise ValueError("two api_keys have the same name: logs could not tell them apart")
        if len({key.key.get_secret_value() for key in self.api_keys}) < len(names):
            raise ValueError("the same key stands in api_keys twice: remove one of them")
        return self

    @property
    def reaches_beyond_this_machine(self) -> bool:
        """Whether other machines can connect, so that a key is needed unless `insecure` says otherwise."""
        return self.host not in ("127.0.0.1", "::1", "localhost")

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'voice_server.db'}"

    @property
    def has_chosen_voice(self) -> bool:
        """Whether somebody set `tts_voice`, so that nothing else may stand in for it."""
        is_usual = self.tts_voice == type(self).model_fields["tts_voice"].default
        return not is_usual or self._sources.get("tts_voice", "default") != "default"

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The web origins that may connect, spelt as browsers send them."""
        if self.origins:
            return self.origins
        own = [
            f"{scheme}://{name}:{self.rest_port}"
            for scheme in ("http", "https")
            for name in ("localhost", "127.0.0.1")
        ]
        if self.public_url:
            own.append(_origin_of(self.public_url))
        return tuple(own)

    @property
    def needed_models(self) -> tuple[str, ...]:
        """The names of the local weights these settings cannot work without."""
        needed = ["silero-vad", "smart-turn"]
        if "local" in self.stt:
            needed.append("whisper-tiny-en")
        if "local" in self.tts:
            needed.append("piper-joe")
        if "local" in self.llm:
            needed.append(self.llm_model)
        if self.embeddings == "local":
            needed.append("minilm")
        return tuple(needed)
