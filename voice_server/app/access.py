"""Who may come in: the keys, strangers, and TLS."""

import ssl
from pathlib import Path

from voice_server.clock import Clock
from voice_server.core.caller import USUAL_SCOPES, Caller, Scope, Tier
from voice_server.errors import ConfigurationError, VoiceServerError
from voice_server.services.keys import KeyHolder, KeyRing
from voice_server.settings import Settings
from voice_server.store.database import Database
from voice_server.store.keys import Keys


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
