"""The only place that wires: settings become providers, sessions and the two servers."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from pydantic import SecretStr

from voice_server.audio.end_of_turn import SmartTurn
from voice_server.audio.voice_activity import SileroVad
from voice_server.clock import Clock, LoopClock
from voice_server.core import wire
from voice_server.core.caller import USUAL_SCOPES, Caller, Scope, Tier
from voice_server.core.journal import Journal
from voice_server.core.policy import TurnPolicy
from voice_server.core.sentences import sentences_in
from voice_server.dialects.base import Dialect
from voice_server.dialects.native.codec import NativeDialect
from voice_server.dialects.native.limits import FrameLimits
from voice_server.dialects.zeebee_stream import ZeebeeStreamDialect
from voice_server.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    StoreError,
    VoiceServerError,
)
from voice_server.gateway.connection import Connection, Identify
from voice_server.gateway.door import Door, Refusal
from voice_server.gateway.limits import GatewayLimits
from voice_server.gateway.server import VoiceSocketServer, cannot_listen
from voice_server.gateway.socket import Handshake, Socket
from voice_server.ids import SessionId, new_session_id
from voice_server.ops.metrics import CONTENT_TYPE, ServerMetrics
from voice_server.ops.turns import TurnWatcher
from voice_server.providers import registry
from voice_server.providers.base import Embeddings, Provider, Voice
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.resilient.chain import chain_status
from voice_server.providers.resilient.chains import llm_chains, stt_chains, tts_chains
from voice_server.providers.resilient.languages import voice_like
from voice_server.providers.resilient.phrases import Phrases
from voice_server.providers.resilient.policy import Deadlines as ProviderDeadlines
from voice_server.providers.resilient.policy import Policy
from voice_server.rest.api import create_api
from voice_server.rest.context import Exposition, RestContext, RestLimits
from voice_server.rest.upgraded import UpgradedConnection
from voice_server.services.chat import Chat, ChatDefaults
from voice_server.services.client_tokens import PREFIX as CLIENT_TOKEN
from voice_server.services.client_tokens import ClientTokens
from voice_server.services.discovery import Discovery
from voice_server.services.indexer import Indexer
from voice_server.services.keys import INVALID_KEY, KeyHolder, KeyRing
from voice_server.services.prices import load_prices
from voice_server.services.rates import Allowed, Rates
from voice_server.services.readiness import Readiness
from voice_server.services.search import Search, Semantics
from voice_server.services.speech import Speech, SpeechLimits
from voice_server.services.templates import Templates, read_templates
from voice_server.services.usage import Allowances, Meter
from voice_server.services.voice_streams import VoiceStreams
from voice_server.services.voices import VoiceLists
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.equipment import Equipment
from voice_server.session.limits import Deadlines, SessionLimits
from voice_server.session.registry import SessionRegistry
from voice_server.session.shared_vad import SharedVad
from voice_server.settings import Role, Settings, packaged_file
from voice_server.store.conversations import ConversationStore
from voice_server.store.database import Database
from voice_server.store.feedback import FeedbackStore
from voice_server.store.journal import StoredJournal
from voice_server.store.keys import Keys
from voice_server.store.search import MessageIndex
from voice_server.store.templates import TemplateStore
from voice_server.store.usage import UsageLedger
from voice_server.store.vectors import vectors_of
from voice_server.tools.base import ToolSource
from voice_server.tools.box import ToolBox, ToolRules
from voice_server.tools.functions import Functions
from voice_server.tools.http import Endpoint, HttpTools
from voice_server.tools.mcp import McpAddress, McpServer

if TYPE_CHECKING:
    from voice_server.ops.tracing import TurnTracer

log = structlog.get_logger()

VOICE_STREAM_PATH = "/voice/stream/"
WRITTEN_WITHIN_S = 15.0
KEYS_WATCHED_EVERY_S = 2.0


def load_catalogue(settings: Settings) -> Catalogue:
    """The providers that the settings name; none is warm yet.

    Raises:
        ConfigurationError: a provider nobody offers, whose package is not installed, or that lacks a setting.
    """
    return Catalogue(
        stt=[registry.load("stt", name, provider_options(settings, "stt", name)) for name in settings.stt],
        llm=[registry.load("llm", name, provider_options(settings, "llm", name)) for name in settings.llm],
        tts=[registry.load("tts", name, provider_options(settings, "tts", name)) for name in settings.tts],
        strict=settings.strict,
        detectable=settings.languages,
    )


def provider_options(settings: Settings, role: Role, name: str) -> Mapping[str, Any]:
    """What a provider's factory is given: all get the `language`, each its own table, `local` the weights."""
    if name == "local":
        return {
            "weights": WeightStore(settings.models_dir),
            "model": settings.llm_model,
            "warm_prompt": settings.system_prompt,
        }
    return {"language": settings.language, **settings.vendors.options_for(role, name)}


def load_embeddings(settings: Settings) -> Embeddings | None:
    """What tells texts' meanings, if the settings want it; it is not warm yet.

    Raises:
        ConfigurationError: as `load_catalogue`. Packages that the usual one needs may be absent.
    """
    name = settings.embeddings
    if not name:
        return None
    if name == "local" and (missing := registry.missing_packages(name)):
        log.warning("search by words alone: embeddings need more packages", missing=missing)
        return None
    return registry.load("embeddings", name, provider_options(settings, "embeddings", name))


def default_choice(settings: Settings, catalogue: Catalogue) -> Choice:
    """What a session uses that wishes for nothing.

    Raises:
        ConfigurationError: the voice that somebody chose is not among the providers' voices.
    """
    voice = default_voice(settings, catalogue)
    turns = settings.turn_detection
    return Choice(
        stt=catalogue.stt[0],
        llm=catalogue.llm[0],
        tts=next(tts for tts in catalogue.tts if tts.name == voice.provider),
        voice=voice,
        language=settings.language,
        prompt_language=settings.language,
        system_prompt=settings.system_prompt,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        policy=TurnPolicy(wire.TurnMode(turns.mode), turns.silence_ms, turns.interrupt),
        vad_threshold=turns.threshold,
        prefix_ms=turns.prefix_ms,
    )


def default_voice(settings: Settings, catalogue: Catalogue) -> Voice:
    """The voice of the settings; while nobody has chosen one, it is of the provider that is used.

    Raises:
        ConfigurationError: the voice that somebody chose is not among the providers' voices.
    """
    own = catalogue.tts[0].capabilities.voices
    within = catalogue.voices if settings.has_chosen_voice else own
    if voice := next((one for one in within if one.id == settings.tts_voice), None):
        return voice
    if not settings.has_chosen_voice:
        return own[0]
    known = ", ".join(one.id for one in catalogue.voices)
    raise ConfigurationError(
        f"tts_voice is {settings.tts_voice!r}, but the voices are: {known}. Choose one of them, or name "
        "any voice of a vendor in that vendor's own table, such as VOICE_SERVER_VENDORS__ELEVENLABS__VOICE."
    )


def chained(
    settings: Settings, catalogue: Catalogue, default: Choice, phrases: Phrases | None
) -> tuple[Catalogue, Choice]:
    """The same with each provider followed by the others of its role, for when it fails."""
    policy, most_calls = chain_policy(settings), settings.vendors.most_calls
    stt = stt_chains(catalogue.stt, policy, most_calls)
    llm = llm_chains(catalogue.llm, policy, most_calls)
    tts = tts_chains(catalogue.tts, policy, most_calls, phrases or Phrases())
    return replace(catalogue, stt=stt, llm=llm, tts=tts), replace(
        default,
        stt=next(one for one in stt if one.first is default.stt),
        llm=next(one for one in llm if one.first is default.llm),
        tts=next(one for one in tts if one.first is default.tts),
    )


def load_tools(settings: Settings) -> ToolBox:
    """The tools that the settings name; nothing is connected yet.

    Raises:
        ConfigurationError: a function nobody offers or that is not fit to be a tool, a package that is not
            installed, or two tools of one name.
    """
    tools = settings.tools
    endpoints = [
        Endpoint(one.name, one.description, one.url, one.method, one.parameters, _secrets(one.headers))
        for one in tools.http
    ]
    sources: list[ToolSource] = [
        Functions(tools.functions),
        HttpTools(endpoints, tools.output_bytes, settings.deadlines.tool_s),
    ]
    for one in tools.mcp:
        address = McpAddress(
            one.name, one.command, one.args, _secrets(one.env), one.url, _secrets(one.headers)
        )
        sources.append(McpServer(address))
    allowed = tools.allowed
    rules = ToolRules(allowed.without_key, {tier: getattr(allowed, tier.value) for tier in Tier})
    return ToolBox(sources, rules, tools.output_bytes)


def _secrets(table: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in table.items()}


class Sockets:
    """Serves WebSockets of both ports: path to dialect, handshake to caller."""

    def __init__(
        self,
        sessions: SessionRegistry,
        keys: KeyRing,
        client_tokens: ClientTokens,
        voice_streams: VoiceStreams,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._client_tokens = client_tokens
        self._voice_streams = voice_streams
        self._clock = clock
        self._limits = gateway_limits(settings)
        limits = settings.limits
        self._frame_limits = FrameLimits(
            limits.control_bytes, limits.audio_frame_bytes, limits.clip_frame_bytes
        )

    async def serve(self, accepted: Socket, handshake: Handshake) -> None:
        """Live with a socket until it is closed."""
        accepted.hold()
        try:
            connection = await self._connection(accepted, handshake)
        finally:
            accepted.release()
        await connection.run()

    async def _connection(self, accepted: Socket, handshake: Handshake) -> Connection:
        dialect: Dialect
        identify: Identify
        if handshake.path.startswith(VOICE_STREAM_PATH):
            session_id = handshake.path.removeprefix(VOICE_STREAM_PATH)
            dialect = ZeebeeStreamDialect(self._limits.message_bytes)
            identify = partial(self._redeem, session_id, handshake.credential)
            caller, own_id = None, SessionId(session_id)
        else:
            dialect = NativeDialect(self._frame_limits)
            own_id = new_session_id()
            identify = partial(self._identify, own_id)
            caller = await self._caller_of(handshake, own_id)
        if caller is not None:
            accepted.admit()
        return Connection(
            accepted,
            dialect,
            self._sessions,
            identify,
            self._clock,
            self._limits,
            caller=caller,
            session_id=own_id,
        )

    async def _caller_of(self, handshake: Handshake, session_id: SessionId) -> Caller | None:
        try:
            return await self._who_brings(handshake.credential, session_id)
        except (AuthenticationError, ForbiddenError, StoreError):
            return None  # its `init` may still bring a key that is good

    async def _identify(self, session_id: SessionId, init: wire.Init) -> tuple[Caller, wire.Init]:
        return await self._who_brings(init.api_key, session_id), init

    async def _who_brings(self, credential: str | None, session_id: SessionId) -> Caller:
        if credential is not None and credential.startswith(CLIENT_TOKEN):
            caller = self._client_tokens.redeem(credential, session_id)
            if await self._keys.no_longer_good([caller]):
                raise AuthenticationError(INVALID_KEY, code="invalid_api_key")
            return caller
        caller = await self._keys.identify(credential)
        caller.demand(Scope.VOICE)
        return caller

    async def _redeem(
        self, session_id: str, credential: str | None, init: wire.Init
    ) -> tuple[Caller, wire.Init]:
        ticket = self._voice_streams.redeem(session_id, credential or init.api_key)
        changes = replace(
            init.changes,
            model=ticket.changes.model,
            tts_voice=init.changes.tts_voice or ticket.changes.tts_voice,
            language_code=init.changes.language_code or ticket.changes.language_code,
        )
        return ticket.caller, replace(
            init, user_id=ticket.user_id, conversation_id=ticket.conversation_id, changes=changes
        )


class RestSockets:
    """The same for sockets that the REST port accepted."""

    def __init__(self, sockets: Sockets, door: Door) -> None:
        self._sockets = sockets
        self._door = door

    def judge(self, path: str, query: str, headers: Mapping[str, str], peer: str) -> Refusal | None:
        """Why this request may not become a socket, if it may not."""
        return self._door.judge(Handshake(path, query, headers, peer))

    async def serve(
        self, accepted: Socket, path: str, query: str, headers: Mapping[str, str], peer: str
    ) -> None:
        """Live with a socket until it is closed."""
        handshake = Handshake(path, query, headers, peer)
        with self._door.entered(handshake):
            await self._sockets.serve(accepted, handshake)


class RestServer(uvicorn.Server):
    """uvicorn, without its own handling of signals: sockets are drained before it is told to exit."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.is_listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process's signals are ours."""
        yield


class VoiceServer:
    """A running server. Use `running`."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        default: Choice,
        embeddings: Embeddings | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._settings = settings
        limits = settings.limits
        self._clock = LoopClock()
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="clips")
        self._judges = ThreadPoolExecutor(1, thread_name_prefix="end-of-turn")
        self._metrics = ServerMetrics(lambda: self.sessions.count, lambda: self._connections())
        self._connections: Callable[[], int] = lambda: 0
        self._tracer = open_tracer(settings.traces, self._clock) if settings.traces else None
        watchers: list[TurnWatcher] = [self._metrics, *([self._tracer] if self._tracer else [])]
        weights = WeightStore(settings.models_dir)
        self._vad = SileroVad(weights.path("silero-vad"))
        self._smart_turn = SmartTurn(weights.path("smart-turn"))
        self._voices = VoiceLists(catalogue.tts, settings.voices_refresh_min * 60)
        self._phrases = Phrases() if settings.resilience.prerender else None
        catalogue, default = chained(settings, catalogue, default, self._phrases)
        self._default = default
        self._providers: list[Provider] = [*catalogue.stt, *catalogue.llm, *catalogue.tts]
        self.tools = load_tools(settings)
        self.database = Database(settings.database)
        self._journal = StoredJournal(self.database, self._clock)
        self._conversations = ConversationStore(self.database, self._clock)
        self._templates = Templates(
            read_templates(packaged_file("templates.toml").read_text("utf-8")),
            TemplateStore(self.database, self._clock),
        )
        prices = load_prices(settings.prices_file or packaged_file("prices.toml"))
        minutes = {tier: getattr(limits.audio_minutes_per_day, tier.value) for tier in Tier}
        self.meter = Meter(
            UsageLedger(self.database), prices, self._clock, Allowances(minutes, limits.budget_warning)
        )
        self._rates = Rates(
            {
                tier: Allowed(
                    getattr(limits.requests_per_minute, tier.value),
                    getattr(limits.requests_per_day, tier.value),
                )
                for tier in Tier
            },
            settings.redis_url.get_secret_value(),
        )
        self._chat = Chat(
            catalogue.llm,
            self._conversations,
            self._templates,
            chat_defaults(settings),
            self._clock,
            self.meter,
        )
        index, semantics = MessageIndex(self.database), None
        if embeddings is not None:
            self._providers.append(embeddings)
            vectors = vectors_of(self.database)
            indexer = Indexer(index, vectors, embeddings, is_busy=lambda: self.sessions.count > 0)
            semantics = Semantics(embeddings, vectors, indexer, limits.search_wait_s)
        self._semantics = semantics
        self._search = Search(index, semantics)
        equipment = Equipment(
            catalogue,
            default,
            SharedVad(self._vad),
            self._score,
            journal or self._journal,
            self._clock,
            self._workers,
            session_limits(settings),
            session_deadlines(settings),
            phrases=self._phrases,
            templates=self._templates,
            meter=self.meter,
            tools=self.tools,
            watchers=watchers,
        )
        per_owner = {tier: getattr(limits.sessions, tier.value) for tier in Tier}
        self.sessions = SessionRegistry(equipment, per_owner)
        self.keys = key_ring(settings, self.database, self._clock)
        self._client_tokens = ClientTokens(self._clock, settings.client_token_s)
        self._voice_streams = VoiceStreams(self._clock)
        self._sockets = Sockets(
            self.sessions, self.keys, self._client_tokens, self._voice_streams, self._clock, settings
        )
        self.readiness = Readiness({"stt": default.stt, "llm": default.llm, "tts": default.tts})
        self._discovery = Discovery(
            stt=catalogue.stt,
            llm=catalogue.llm,
            tts=catalogue.tts,
            voices=lambda: catalogue.voices,
            languages=lambda: catalogue.languages,
            status=lambda: {
                "stt": chain_status(catalogue.stt),
                "llm": chain_status(catalogue.llm),
                "tts": chain_status(catalogue.tts),
            },
            default_voice=default.voice,
            language=default.language,
            max_tokens=settings.max_tokens,
        )
        self._speech = Speech(
            catalogue.stt,
            catalogue.tts,
            default.voice,
            default.language,
            self._workers,
            speech_limits(settings),
            self.meter,
            strict=settings.strict,
        )
        self.port = self.rest_port = 0
        self.prepared = asyncio.Event()  # everything is warm, as far as it can be

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listening inside, drained and closed after."""
        async with AsyncExitStack() as stack:
            # FastAPI's caches keep the routes of every application there was, and with them all of this.
            stack.callback(self._vad.close)
            stack.callback(self._smart_turn.close)
            stack.callback(self._workers.shutdown, wait=False, cancel_futures=True)
            stack.callback(self._judges.shutdown, wait=False, cancel_futures=True)
            if self._tracer is not None:
                stack.callback(self._tracer.close)
            for provider in self._providers:
                stack.push_async_callback(provider.close)
            await stack.enter_async_context(self._keeping())
            await stack.enter_async_context(self.tools.running())
            settings, tls = self._settings, tls_context(self._settings)
            listener = _bind(settings.host, settings.rest_port)
            stack.callback(listener.close)
            self.rest_port = listener.getsockname()[1]
            # The page's own origin is known only now: port 0 is any free one.
            settings = settings.model_copy(update={"rest_port": self.rest_port})
            door = Door(gateway_limits(settings), settings.allowed_origins, settings.trusted_proxies)
            gateway = VoiceSocketServer(self._sockets.serve, door, gateway_limits(settings), tls)
            self.port = await gateway.start(settings.host, settings.port)
            stack.push_async_callback(gateway.stop)
            rest, serving = await self._start_rest(settings, door, listener)
            self._connections = lambda: door.count
            warming = asyncio.create_task(self._warm(), name="warm")
            lag = asyncio.create_task(self._metrics.watch_lag(), name="loop lag")
            log.info(
                "listening", websocket=self.websocket_url(settings.host, tls is not None), page=self.page_url
            )
            try:
                yield
            finally:
                door.is_shut = True
                warming.cancel()
                lag.cancel()
                drain_s = settings.limits.drain_s
                await asyncio.gather(self.sessions.drain(drain_s), self._chat.drain(drain_s))
                rest.should_exit = True
                await serving

    async def _warm(self) -> None:
        """Have everything ready; then, in peace, what can be said without a voice."""
        await self.readiness.warm()
        if self._phrases is not None:
            await self._prerender(self._phrases)
        self.prepared.set()
        await self._voices.keep()

    async def _prerender(self, phrases: Phrases) -> None:
        default = self._default
        texts, voice = sentences_in(default.language), default.spoken_voice
        if await phrases.learn(default.tts, voice, texts) or "local" in self._settings.tts:
            return
        try:  # a voice of this machine says it, if there is one that speaks the language
            spare = registry.load("tts", "local", provider_options(self._settings, "tts", "local"))
        except ConfigurationError:
            return
        try:
            if (like := voice_like(voice, spare.capabilities.voices)) is not None:
                await phrases.learn(spare, like, texts)
        finally:
            await spare.close()

    @asynccontextmanager
    async def _keeping(self) -> AsyncIterator[None]:
        """The database open inside; what is still unwritten after is written first."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.database.close)
            stack.push_async_callback(self._rates.close)
            await self.database.open()
            check_exposure(self._settings, has_keys=await self.keys.is_required())
            writing = asyncio.create_task(self._journal.run(), name="journal")
            watching = [
                asyncio.create_task(self.keys.run(), name="key uses"),
                asyncio.create_task(self._watch_keys(), name="revoked keys"),
                asyncio.create_task(self.meter.run(), name="usage"),
            ]
            indexing = asyncio.create_task(self._index_messages(), name="indexer")
            try:
                yield
            finally:
                indexing.cancel()
                for task in watching:
                    task.cancel()
                with suppress(StoreError):
                    await self.keys.note_uses()
                    await self.meter.write()
                await asyncio.wait({indexing})
                self._journal.close()
                await asyncio.wait({writing}, timeout=WRITTEN_WITHIN_S)
                writing.cancel()

    async def _watch_keys(self) -> None:
        """Sessions of keys that are not good any more end within a moment."""
        while True:
            await asyncio.sleep(KEYS_WATCHED_EVERY_S)
            try:
                gone = await self.keys.no_longer_good(self.sessions.callers)
            except StoreError:
                continue  # nobody can tell now
            self.sessions.end_of_keys(gone)

    async def _index_messages(self) -> None:
        if self._semantics is not None:
            await self.readiness.wait()
            await self._semantics.indexer.run()

    async def _start_rest(
        self, settings: Settings, door: Door, listener: socket.socket
    ) -> tuple[RestServer, asyncio.Task[None]]:
        limits = settings.limits
        context = RestContext(
            keys=self.keys,
            rates=self._rates,
            meter=self.meter,
            client_tokens=self._client_tokens,
            web_session_s=settings.web_session_h * 3600,
            is_secure=settings.tls_cert is not None or settings.public_url.startswith(("wss:", "https:")),
            readiness=self.readiness,
            discovery=self._discovery,
            voice_streams=self._voice_streams,
            conversations=self._conversations,
            chat=self._chat,
            templates=self._templates,
            feedback=FeedbackStore(self.database, self._clock),
            live=self.sessions,
            search=self._search,
            speech=self._speech,
            sockets=RestSockets(self._sockets, door),
            websocket_url=self.websocket_url,
            websocket_port=self.port,
            live_sessions=lambda: self.sessions.count,
            exposition=Exposition(self._metrics.exposed, CONTENT_TYPE, settings.metrics == "open")
            if settings.metrics != "off"
            else None,
            features=frozenset(
                {"voice_chat"} if self._semantics is None else {"voice_chat", "semantic_search"}
            ),
            origins=settings.allowed_origins,
            limits=RestLimits(
                limits.rest_json_bytes,
                limits.rest_audio_bytes,
                limits.rest_upload_bytes,
                limits.clip_frame_bytes,
                limits.unauthenticated_bytes,
            ),
        )
        config = uvicorn.Config(
            create_api(context),
            host=settings.host,
            port=settings.rest_port,
            log_config=None,
            access_log=False,
            ws=UpgradedConnection,
            ws_max_size=limits.clip_frame_bytes,
            ws_per_message_deflate=False,
            ws_ping_interval=limits.ping_s,
            ws_ping_timeout=limits.dead_after_s,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            lifespan="off",
        )
        server = RestServer(config)
        serving = asyncio.create_task(server.serve([listener]), name="rest")
        listening = asyncio.create_task(server.is_listening.wait(), name="rest listens")
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            listening.cancel()
            serving.result()
        return server, serving

    def websocket_url(self, host: str, is_secure: bool) -> str:
        """Where the voice socket is, for who reached us as `host`."""
        if self._settings.public_url:
            return self._settings.public_url
        name = f"[{host}]" if ":" in host else host
        return f"{'wss' if is_secure else 'ws'}://{name}:{self.port}"

    @property
    def page_url(self) -> str:
        """Where the talk page is, from this machine."""
        scheme = "https" if self._settings.tls_cert else "http"
        return f"{scheme}://localhost:{self.rest_port}/"

    async def _score(self, pcm: bytes) -> float:
        return await asyncio.get_running_loop().run_in_executor(
            self._judges, self._smart_turn.probability, pcm
        )


def open_tracer(endpoint: str, clock: Clock) -> "TurnTracer":
    """Where traces of turns go.

    Raises:
        ConfigurationError: the extra that brings OpenTelemetry is not installed.
    """
    try:
        from voice_server.ops import tracing
    except ImportError as error:
        raise ConfigurationError(
            f"traces need a package that is not installed ({error}); run `pip install 'voice-server[otel]'`."
        ) from error
    return tracing.open_tracer(endpoint, clock)


def key_ring(settings: Settings, database: Database, clock: Clock) -> KeyRing:
    """The keys of the settings and of the database."""
    holders = (
        KeyHolder(
            one.key.get_secret_value(),
            one.name,
            Tier(one.tier.value),
            one.owner,
            frozenset(Scope(scope) for scope in one.scopes),
            one.monthly_budget,
            one.tools,
        )
        for one in settings.api_keys
    )
    # Who may make keys could shut everybody else out: on a server for others too that is not for strangers.
    strangers = USUAL_SCOPES if settings.reaches_beyond_this_machine else frozenset(Scope)
    return KeyRing(Keys(database), clock, holders, Caller(scopes=strangers))


async def has_stored_keys(settings: Settings) -> bool:
    """Whether the database, if there is one already, holds a key. Changes nothing."""
    database = Database(settings.database)
    if not _may_hold_tables(database):
        return False
    try:
        return await Keys(database).exist()
    except VoiceServerError:
        return False
    finally:
        await database.close()


def _may_hold_tables(database: Database) -> bool:
    path = database.url.database
    return not database.is_sqlite or (path is not None and Path(path).is_file())


def check_exposure(settings: Settings, *, has_keys: bool) -> None:
    """Refuse to serve strangers without a key.

    Raises:
        ConfigurationError: other machines could reach a server that asks nobody for a key.
    """
    if settings.reaches_beyond_this_machine and not has_keys and not settings.insecure:
        raise ConfigurationError(
            f"The server would listen on {settings.host}, where other machines reach it, without asking "
            "for a key. Make one with `voice-server keys create`, or set VOICE_SERVER_API_KEYS, or pass "
            "--insecure if everybody may use it."
        )


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as set.

    Raises:
        ConfigurationError: the files do not make a certificate.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls_cert and tls_key cannot be used: {error}.") from error
    return context


def gateway_limits(settings: Settings) -> GatewayLimits:
    """The gateway's part of the settings."""
    limits = settings.limits
    return GatewayLimits(
        handshake_s=limits.handshake_s,
        init_s=limits.init_s,
        connections_per_address=limits.connections_per_address,
        connections=limits.connections,
        control_frames_per_s=limits.control_frames_per_s,
        control_burst=limits.control_burst,
        slow_reader_s=limits.slow_reader_s,
        message_bytes=limits.clip_frame_bytes,
        unauthenticated_bytes=limits.unauthenticated_bytes,
        ping_s=limits.ping_s,
        dead_after_s=limits.dead_after_s,
        protocol_errors=limits.protocol_errors,
        protocol_errors_s=limits.protocol_errors_s,
    )


def session_limits(settings: Settings) -> SessionLimits:
    """The sessions' part of the settings."""
    limits = settings.limits
    return SessionLimits(
        idle_ms=limits.idle_s * 1000,
        longest_ms=limits.session_max_min * 60_000,
        warn_before_end_ms=limits.warn_before_end_s * 1000,
        resume_window_ms=limits.resume_window_s * 1000,
        replay_bytes=limits.replay_bytes,
        replay_ms=limits.replay_s * 1000,
        input_ahead_ms=limits.input_ahead_s * 1000,
        output_ahead_ms=limits.output_ahead_s * 1000,
        input_stall_ms=limits.input_stall_ms,
        tool_bridge_ms=settings.tools.bridge_ms,
        utterance_s=limits.clip_s,
    )


def chat_defaults(settings: Settings) -> ChatDefaults:
    """The typed turns' part of the settings."""
    chat, deadlines = settings.chat, settings.deadlines
    return ChatDefaults(
        chat.system_prompt,
        temperature=chat.temperature,
        max_tokens=chat.max_tokens,
        history_chars=chat.history_chars,
        message_chars=chat.message_chars,
        first_token_ms=deadlines.llm_first_token_s * 1000,
        gap_ms=deadlines.llm_gap_s * 1000,
        strict=settings.strict,
    )


def session_deadlines(settings: Settings) -> Deadlines:
    """How long a tool may take, and a caller hear nothing."""
    deadlines = settings.deadlines
    return Deadlines(
        tool_ms=deadlines.tool_s * 1000,
        silence_ms=deadlines.silence_s * 1000,
        filler_ms=deadlines.filler_s * 1000,
    )


def chain_policy(settings: Settings) -> Policy:
    """How chains of providers deal with trouble."""
    last, switching, rules = settings.deadlines, settings.switching, settings.resilience
    return Policy(
        last=ProviderDeadlines(
            stt_final_ms=last.stt_final_s * 1000,
            llm_first_token_ms=last.llm_first_token_s * 1000,
            llm_gap_ms=last.llm_gap_s * 1000,
            tts_first_audio_ms=last.tts_first_audio_s * 1000,
            tts_gap_ms=last.tts_gap_s * 1000,
        ),
        switching=ProviderDeadlines(
            stt_partial_ms=switching.stt_partial_s * 1000,
            stt_final_ms=switching.stt_final_s * 1000,
            llm_first_token_ms=switching.llm_first_token_s * 1000,
            tts_first_audio_ms=switching.tts_first_audio_s * 1000,
            tts_gap_ms=switching.tts_gap_s * 1000,
        ),
        retries=rules.retries,
        retry_wait_ms=rules.retry_wait_s * 1000,
        breaker_failures=rules.breaker_failures,
        breaker_window_ms=rules.breaker_window_s * 1000,
        busy_wait_ms=rules.busy_wait_s * 1000,
        hedge_ms=rules.hedge_s * 1000 or None,
    )


def speech_limits(settings: Settings) -> SpeechLimits:
    """The part of the settings for speech without a conversation."""
    limits, deadlines = settings.limits, settings.deadlines
    return SpeechLimits(
        clip_s=limits.clip_s,
        text_chars=limits.speech_chars,
        at_once=limits.speech_requests,
        stt_final_ms=deadlines.stt_final_s * 1000,
        tts_first_audio_ms=deadlines.tts_first_audio_s * 1000,
        tts_gap_ms=deadlines.tts_gap_s * 1000,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise cannot_listen(host, port, "VOICE_SERVER_REST_PORT", error) from error
    return bound
