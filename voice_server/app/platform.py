"""What stands around a conversation: keys and limits, what lasts, and the services of the REST API."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from voice_server.app.access import key_ring
from voice_server.app.limits import allowances, allowed_requests, chat_defaults, speech_limits
from voice_server.clock import Clock
from voice_server.providers.base import Embeddings
from voice_server.providers.resilient.chain import chain_status
from voice_server.services.chat import Chat
from voice_server.services.client_tokens import ClientTokens
from voice_server.services.discovery import Discovery
from voice_server.services.habits import StoredHabits
from voice_server.services.indexer import Indexer
from voice_server.services.keys import KeyRing
from voice_server.services.prices import PriceList, load_prices
from voice_server.services.rates import Rates
from voice_server.services.search import Search, Semantics
from voice_server.services.speech import Speech
from voice_server.services.templates import Templates, read_templates
from voice_server.services.usage import Meter
from voice_server.services.voice_streams import VoiceStreams
from voice_server.session.choice import Catalogue, Choice
from voice_server.settings import Settings, packaged_file
from voice_server.store.conversations import ConversationStore
from voice_server.store.database import Database
from voice_server.store.feedback import FeedbackStore
from voice_server.store.habits import HabitStore
from voice_server.store.journal import StoredJournal
from voice_server.store.search import MessageIndex
from voice_server.store.templates import TemplateStore
from voice_server.store.usage import UsageLedger
from voice_server.store.vectors import vectors_of


@dataclass(frozen=True, slots=True)
class Platform:
    """Made once; `keeping` opens its database. `semantics` is None where search goes by words alone."""

    database: Database
    keys: KeyRing
    client_tokens: ClientTokens
    voice_streams: VoiceStreams
    rates: Rates
    meter: Meter
    journal: StoredJournal
    habits: StoredHabits
    conversations: ConversationStore
    templates: Templates
    feedback: FeedbackStore
    chat: Chat
    semantics: Semantics | None
    search: Search
    speech: Speech
    discovery: Discovery


def prices_of(settings: Settings) -> PriceList:
    """What providers cost.

    Raises:
        ConfigurationError: `prices_file` is no list of prices.
    """
    return load_prices(settings.prices_file or packaged_file("prices.toml"))


def rates_of(settings: Settings) -> Rates:
    """Who counts requests.

    Raises:
        ConfigurationError: `redis_url` cannot be used.
    """
    return Rates(allowed_requests(settings), settings.redis_url.get_secret_value())


def build_platform(
    settings: Settings,
    catalogue: Catalogue,
    default: Choice,
    embeddings: Embeddings | None,
    clock: Clock,
    workers: Executor,
    is_busy: Callable[[], bool],
) -> Platform:
    """The platform of these settings and providers. `workers` decode clips; nothing is indexed for search
    while it `is_busy`.

    Raises:
        ConfigurationError: prices or a key that cannot be used.
    """
    database = Database(settings.database)
    meter = Meter(UsageLedger(database), prices_of(settings), clock, allowances(settings))
    conversations = ConversationStore(database, clock)
    packaged_templates = read_templates(packaged_file("templates.toml").read_text("utf-8"))
    templates = Templates(packaged_templates, TemplateStore(database, clock))
    index, semantics = MessageIndex(database), None
    if embeddings is not None:
        vectors = vectors_of(database)
        indexer = Indexer(index, vectors, embeddings, is_busy=is_busy)
        semantics = Semantics(embeddings, vectors, indexer, settings.limits.search_wait_s)
    return Platform(
        database=database,
        keys=key_ring(settings, database, clock),
        client_tokens=ClientTokens(clock, settings.client_token_s, settings.limits.session_max_min * 60),
        voice_streams=VoiceStreams(clock),
        rates=rates_of(settings),
        meter=meter,
        journal=StoredJournal(database, clock),
        habits=StoredHabits(HabitStore(database), clock, settings.limits.callers_remembered),
        conversations=conversations,
        templates=templates,
        feedback=FeedbackStore(database, clock),
        chat=Chat(catalogue.llm, conversations, templates, chat_defaults(settings), clock, meter),
        semantics=semantics,
        search=Search(index, semantics),
        speech=Speech(
            catalogue.stt,
            catalogue.tts,
            default.voice,
            default.language,
            workers,
            speech_limits(settings),
            meter,
            strict=settings.strict,
        ),
        discovery=Discovery(
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
        ),
    )
