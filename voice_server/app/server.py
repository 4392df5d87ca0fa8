"""The server: providers, platform, sessions and the two ports, put together and run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from voice_server.app.access import tls_context
from voice_server.app.judges import Judges
from voice_server.app.keeping import keeping
from voice_server.app.limits import (
    gateway_limits,
    rest_limits,
    session_deadlines,
    session_limits,
    sessions_per_owner,
)
from voice_server.app.listening import listen
from voice_server.app.phrases import prerender
from voice_server.app.platform import build_platform
from voice_server.app.providers import chained
from voice_server.app.recorder import open_recorder
from voice_server.app.rest_server import rest_server
from voice_server.app.sockets import RestSockets, Sockets
from voice_server.app.tools import load_tools
from voice_server.app.tracing import open_tracer
from voice_server.audio.suppress import open_rnnoise
from voice_server.clock import LoopClock
from voice_server.core.journal import Journal
from voice_server.gateway.door import Door
from voice_server.gateway.server import VoiceSocketServer
from voice_server.ops.metrics import CONTENT_TYPE, ServerMetrics
from voice_server.ops.turns import TurnWatcher
from voice_server.providers.base import Embeddings, Provider
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.resilient.phrases import Phrases
from voice_server.rest.context import Exposition, RestContext
from voice_server.services.readiness import Readiness
from voice_server.services.voices import VoiceLists
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.equipment import Equipment
from voice_server.session.registry import SessionRegistry
from voice_server.settings import Settings

log = structlog.get_logger()


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
        clock = LoopClock()
        self._metrics = ServerMetrics(lambda: self.sessions.count, lambda: self._connections())
        self._connections: Callable[[], int] = lambda: 0
        self._tracer = open_tracer(settings.traces, clock) if settings.traces else None
        watchers: list[TurnWatcher] = [self._metrics, *([self._tracer] if self._tracer else [])]
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="clips")
        self._judges = Judges(WeightStore(settings.models_dir))
        self._voices = VoiceLists(catalogue.tts, settings.voices_refresh_min * 60)
        self._phrases = Phrases() if settings.resilience.prerender else None
        catalogue, default = chained(settings, catalogue, default, self._phrases)
        self._default = default
        self._providers: list[Provider] = [*catalogue.stt, *catalogue.llm, *catalogue.tts]
        if embeddings is not None:
            self._providers.append(embeddings)
        self.tools = load_tools(settings)
        self.platform = build_platform(
            settings,
            catalogue,
            default,
            embeddings,
            clock,
            self._workers,
            is_busy=lambda: self.sessions.count > 0,
        )
        self._recorder = open_recorder(settings, clock)
        equipment = Equipment(
            catalogue,
            default,
            self._judges.vad,
            self._judges.score,
            journal or self.platform.journal,
            self.platform.habits,
            clock,
            self._workers,
            session_limits(settings),
            session_deadlines(settings),
            phrases=self._phrases,
            templates=self.platform.templates,
            meter=self.platform.meter,
            tools=self.tools,
            watchers=watchers,
            suppress=open_rnnoise() if settings.turn_detection.suppress_noise else None,
            recorder=self._recorder,
        )
        self.sessions = SessionRegistry(equipment, sessions_per_owner(settings))
        self._sockets = Sockets(
            self.sessions,
            self.platform.keys,
            self.platform.client_tokens,
            self.platform.voice_streams,
            clock,
            settings,
        )
        self.readiness = Readiness({"stt": default.stt, "llm": default.llm, "tts": default.tts})
        self.port = self.rest_port = 0
        self.prepared = asyncio.Event()  # everything is warm, as far as it can be

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listening inside, drained and closed after."""
        async with AsyncExitStack() as stack:
            # FastAPI's caches keep the routes of every application there was, and with them all of this.
            stack.callback(self._judges.close)
            stack.callback(self._workers.shutdown, wait=False, cancel_futures=True)
            if self._tracer is not None:
                stack.callback(self._tracer.close)
            if self._recorder is not None:
                self._recorder.start()
                stack.push_async_callback(asyncio.to_thread, self._recorder.close)
            for provider in self._providers:
                stack.push_async_callback(provider.close)
            await stack.enter_async_context(
                keeping(self.platform, self.sessions, self.readiness, self._settings)
            )
            await stack.enter_async_context(self.tools.running())
            settings, tls = self._settings, tls_context(self._settings)
            pages = listen(settings.host, settings.rest_port, "VOICE_SERVER_REST_PORT")
            stack.callback(pages.close)
            voices = listen(settings.host, settings.port, "VOICE_SERVER_PORT")
            stack.callback(voices.close)
            self.rest_port, self.port = pages.getsockname()[1], voices.getsockname()[1]
            # The page's own origin is known only now: port 0 is any free one.
            settings = settings.model_copy(update={"rest_port": self.rest_port})
            door = Door(gateway_limits(settings), settings.allowed_origins, settings.trusted_proxies)
            gateway = VoiceSocketServer(self._sockets.serve, door, gateway_limits(settings), tls)
            await gateway.start(voices)
            stack.push_async_callback(gateway.stop)
            rest = rest_server(self._rest_context(settings, door), settings)
            serving = await rest.start(pages)
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
                await asyncio.gather(self.sessions.drain(drain_s), self.platform.chat.drain(drain_s))
                rest.should_exit = True
                await serving

    async def _warm(self) -> None:
        """Have everything ready; then, in peace, what can be said without a voice."""
        await self.readiness.warm()
        if self._phrases is not None:
            await prerender(self._phrases, self._default, self._settings)
        self.prepared.set()
        await self._voices.keep()

    def _rest_context(self, settings: Settings, door: Door) -> RestContext:
        platform, features = self.platform, {"voice_chat"}
        if platform.semantics is not None:
            features.add("semantic_search")
        exposition = Exposition(self._metrics.exposed, CONTENT_TYPE, settings.metrics == "open")
        return RestContext(
            keys=platform.keys,
            rates=platform.rates,
            meter=platform.meter,
            client_tokens=platform.client_tokens,
            readiness=self.readiness,
            discovery=platform.discovery,
            voice_streams=platform.voice_streams,
            conversations=platform.conversations,
            chat=platform.chat,
            templates=platform.templates,
            feedback=platform.feedback,
            live=self.sessions,
            search=platform.search,
            speech=platform.speech,
            sockets=RestSockets(self._sockets, door),
            websocket_url=self.websocket_url,
            websocket_port=self.port,
            live_sessions=lambda: self.sessions.count,
            exposition=exposition if settings.metrics != "off" else None,
            features=frozenset(features),
            origins=settings.allowed_origins,
            web_session_s=settings.web_session_h * 3600,
            is_secure=settings.tls_cert is not None or settings.public_url.startswith(("wss:", "https:")),
            limits=rest_limits(settings),
        )

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
