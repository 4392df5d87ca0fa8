"""What one may choose from: `/api/websocket/config`, `/api/speech/providers` and `/api/models`."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from voice_server.rest.context import RestContext


class WebSocketAddress(BaseModel):
    """Where the voice socket is."""

    url: str
    port: int


class VoiceInfo(BaseModel):
    """A voice one may ask for."""

    provider: str
    id: str
    name: str
    gender: str


class SpeechOut(BaseModel):
    """Who can speak: provider id to name, and their voices."""

    providers: dict[str, str]
    voices: list[VoiceInfo]


class SpeechIn(BaseModel):
    """Who can listen: provider id to name."""

    providers: dict[str, str]


class LanguageInfo(BaseModel):
    """A language that can be understood and spoken."""

    code: str
    name: str


class Defaults(BaseModel):
    """What is used unless something else is asked for."""

    tts_provider: str
    tts_voice: str
    openai_voice: str = "alloy"
    elevenlabs_voice: str = "kgG7dCoKCfLehAPWkJOE"
    language: str


class Authentication(BaseModel):
    """Whether an API key is demanded."""

    required: bool


class ClientConfig(BaseModel):
    """Everything a client needs to know before it connects."""

    websocket: WebSocketAddress
    tts: SpeechOut
    stt: SpeechIn
    languages: list[LanguageInfo]
    defaults: Defaults
    authentication: Authentication
    status: dict[str, dict[str, str]]
    """By stage and provider: `ok`, or `troubled` while it fails and is left alone."""


class SpeechProviders(BaseModel):
    """Who listens and who speaks: provider id to name. `providers` are both together."""

    providers: dict[str, str]
    stt: dict[str, str]
    tts: dict[str, str]
    status: dict[str, dict[str, str]]
    """By stage and provider: `ok`, or `troubled` while it fails and is left alone."""


class ModelInfo(BaseModel):
    """A language model one may ask for; `provider` is who really answers, and `status` how it does."""

    id: str
    name: str
    display_name: str
    provider: str
    max_tokens: int
    context_length: int
    status: str


class Models(BaseModel):
    """The language models, the default first."""

    models: list[ModelInfo]


def discovery_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["discovery"])
    found = context.discovery

    @router.get("/websocket/config")
    async def websocket_config(request: Request) -> ClientConfig:
        """Where to connect and what to choose from: only what is really configured. Needs no key."""
        return ClientConfig(
            websocket=WebSocketAddress(
                url=context.websocket_url(request.url.hostname or "localhost", request.url.scheme == "https"),
                port=context.websocket_port,
            ),
            tts=SpeechOut(
                providers={one.name: one.title for one in found.tts},
                voices=[
                    VoiceInfo(provider=one.provider, id=one.id, name=one.name, gender=one.gender)
                    for one in found.voices()
                ],
            ),
            stt=SpeechIn(providers={one.name: one.title for one in found.stt}),
            languages=[LanguageInfo(code=code, name=name) for code, name in found.named_languages],
            defaults=Defaults(
                tts_provider=found.default_voice.provider,
                tts_voice=found.default_voice.id,
                language=found.language,
            ),
            authentication=Authentication(required=await context.keys.is_required()),
            status={stage: dict(of) for stage, of in found.status().items()},
        )

    @router.get("/speech/providers")
    async def speech_providers() -> SpeechProviders:
        """Who listens and who speaks: only what is really configured. Needs no key."""
        return SpeechProviders(
            providers=found.speech_providers,
            stt={one.name: one.title for one in found.stt},
            tts={one.name: one.title for one in found.tts},
            status={stage: dict(of) for stage, of in found.status().items() if stage in ("stt", "tts")},
        )

    @router.get("/models")
    async def models() -> Models:
        """The language models one may ask for. Needs no key."""
        return Models(
            models=[
                ModelInfo(
                    id=one.id,
                    name=one.id,
                    display_name=one.display_name,
                    provider=one.provider,
                    max_tokens=one.max_tokens,
                    context_length=one.context_length,
                    status=found.status()["llm"].get(one.provider, "ok"),
                )
                for one in found.models
            ]
        )

    return router
