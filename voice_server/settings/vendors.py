"""Providers elsewhere: a table a vendor. The sentence under a field is its documentation.

A field that begins with a role (`stt_`, `llm_`, `tts_`, `embeddings_`) is for that role only; the others are
for every role. An empty one leaves the choice to the provider.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr

from voice_server.settings.kinds import Names, OptionalFile, empty_is_none
from voice_server.settings.tables import Table

Role = Literal["stt", "llm", "tts", "embeddings"]


def _stripped(value: object) -> object:
    """A key read from a file ends in a line break, which no header can carry."""
    return value.strip() if isinstance(value, str) else value


Key = Annotated[SecretStr, BeforeValidator(_stripped)]
WebAddress = Annotated[str, Field(pattern=r"^(https?://[^\s/]+\S*)?$")]
Tokens = Annotated[int, Field(ge=1024, le=10_000_000)]
Place = Annotated[str, Field(pattern=r"^[a-z0-9-]*$")]


class Vendor(Table):
    """What every vendor has."""

    concurrency: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Calls at once, of each role; 0 is any number. See `resilience.busy_wait_s`."""


class OpenAi(Vendor):
    """OpenAI, or one server that speaks as it does."""

    api_key: Key = SecretStr("")
    """OpenAI's key; another server at `base_url` may need none."""
    base_url: WebAddress = ""
    """Address of another server that speaks as OpenAI does, such as `http://localhost:8000/v1`; empty is
    OpenAI's own."""
    organization: str = ""
    """The organization that is billed, where the key belongs to several."""
    project: str = ""
    """The project that is billed, where the key belongs to several."""
    llm_model: str = ""
    """The language model; empty is `gpt-5.4-mini`."""
    reasoning_effort: str = ""
    """How long the model thinks before it speaks, as OpenAI names it (`none`, `low` …); empty is the model's
    own, and `none` for `gpt-5.4-mini`."""
    context_tokens: Tokens = 128_000
    """What the language model takes, prompt and reply together."""
    stt_model: str = ""
    """The recogniser; empty is `gpt-live-transcribe` over the WebSocket and `gpt-transcribe` over HTTP."""
    stt_transport: Annotated[Literal["http", "realtime"] | None, BeforeValidator(empty_is_none)] = None
    """`realtime` recognises over a WebSocket while somebody speaks, `http` by whole clips; empty is
    `realtime` at OpenAI's own address and `http` elsewhere."""
    partial_every_ms: Annotated[int, Field(ge=200, le=60_000)] = 1000
    """With `http`, the new audio that is worth another request for a partial transcript."""
    tts_model: str = ""
    """The model that speaks; empty is `gpt-4o-mini-tts`."""
    voice: str = ""
    """The voice that comes first, known to us or not; empty is `alloy`."""
    voices: Names = ()
    """The voices of another server; empty is OpenAI's."""
    instructions: str = ""
    """How the voice should speak, in words, where the model takes that."""
    embeddings_model: str = ""
    """The model that makes vectors of texts; empty is `text-embedding-3-small`."""
    embeddings_dimensions: Annotated[int, Field(ge=16, le=4_000)] = 512
    """How many numbers a vector has; the model must be able to give so many."""


class Anthropic(Vendor):
    """Anthropic."""

    api_key: Key = SecretStr("")
    """Anthropic's key."""
    base_url: WebAddress = ""
    """Address to use instead of Anthropic's own, such as a proxy's."""
    llm_model: str = ""
    """The language model; empty is `claude-haiku-5-5`."""
    thinking: Literal["disabled", "adaptive", "default"] = "disabled"
    """Thinking is silence to the one who waits: `adaptive` lets the model decide, `default` says nothing of
    it, for models that take neither."""
    context_tokens: Tokens = 200_000
    """What the language model takes, prompt and reply together."""


class ElevenLabs(Vendor):
    """ElevenLabs."""

    api_key: Key = SecretStr("")
    """ElevenLabs' key."""
    base_url: WebAddress = ""
    """Address to use instead of ElevenLabs' own, such as that of another region."""
    stt_model: str = ""
    """The recogniser; empty is `scribe_v2_realtime` over the WebSocket and `scribe_v2` over HTTP."""
    stt_transport: Literal["websocket", "http"] = "websocket"
    """`websocket` recognises while somebody speaks, `http` by whole clips."""
    tts_model: str = ""
    """The model that speaks; empty is `eleven_flash_v2_5`."""
    tts_transport: Literal["http", "websocket"] = "http"
    """`http` is one request a clause, `websocket` one socket a reply."""
    voice: str = ""
    """The id of the voice that comes first; empty is Rachel (`21m00Tcm4TlvDq8ikWAM`), or the
    account's first."""


class Google(Vendor):
    """Google Cloud."""

    api_key: Key = SecretStr("")
    """An API key of Google Cloud; or set `credentials_file` or `application_default`."""
    credentials_file: OptionalFile = None
    """JSON key of a service account."""
    application_default: bool = False
    """Use the credentials that this machine has (`gcloud auth application-default login`, or a role in the
    cloud)."""
    base_url: WebAddress = ""
    """Address to use instead of Google's own; `http` goes without TLS."""
    region: Annotated[Place, Field(min_length=1)] = "global"
    """Where speech is processed: `global`, or a location such as `eu`."""
    project: str = ""
    """The project, which version `v2` needs."""
    version: Literal["v1", "v2"] = "v1"
    """Version of the speech recognition; `v2` takes no API key."""
    stt_model: str = ""
    """The recogniser; empty is `latest_long` in `v1` and `long` in `v2`."""
    stt_rotate_after_s: Annotated[float, Field(ge=10, le=290)] = 240
    """A longer utterance goes on in another call, because Google ends one after five minutes."""
    tts_streaming: bool = True
    """Hear a voice that streams (`Chirp3-HD`) as it speaks, instead of a clause at a time."""
    voice: str = ""
    """The voice that comes first, such as `de-DE-Chirp3-HD-Kore`; empty is
    `en-US-Chirp3-HD-Achernar`."""


class Azure(Vendor):
    """Azure Speech."""

    api_key: Key = SecretStr("")
    """A key of an Azure Speech resource."""
    region: Place = ""
    """The region of the key, such as `westeurope`."""
    base_url: Annotated[str, Field(pattern=r"^((wss?|https?)://[^\s/]+\S*)?$")] = ""
    """Address to use instead of the region's, such as that of a container of your own."""
    voice: str = ""
    """The voice that comes first, such as `de-DE-KatjaNeural`; empty is `en-US-AvaMultilingualNeural`."""


class Vendors(Table):
    """What providers elsewhere need."""

    openai: OpenAi = OpenAi()
    anthropic: Anthropic = Anthropic()
    elevenlabs: ElevenLabs = ElevenLabs()
    google: Google = Google()
    azure: Azure = Azure()

    def most_calls(self, name: str) -> int | None:
        """How many calls the provider `name` takes at once; None is any number."""
        vendor = getattr(self, name) if name in type(self).model_fields else None
        return vendor.concurrency or None if isinstance(vendor, Vendor) else None

    def options_for(self, role: Role, name: str) -> dict[str, Any]:
        """What is set for the provider `name`, as its factory takes it; nothing for one without a table.

        A field of this role loses the role's name (`llm_model` is `model`), and what is empty is left out.
        Keys are in it.
        """
        if name not in type(self).model_fields:
            return {}
        table: Table = getattr(self, name)
        said = {field: plain for field, value in table if (plain := _plain(value)) not in ("", None, ())}
        prefix = f"{role}_"
        own = {field.removeprefix(prefix): value for field, value in said.items() if field.startswith(prefix)}
        return said | own


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
        case _:
            return value
