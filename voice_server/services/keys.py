"""Who holds which API key: those of the settings and those of the database, by one way in."""

import hashlib
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from voice_server.clock import Clock
from voice_server.core.caller import USUAL_SCOPES, Caller, Scope, Tier
from voice_server.errors import AuthenticationError, NotFoundError, StoreError
from voice_server.ids import new_key_id, new_token
from voice_server.store.keys import KeyRecord, Keys

log = structlog.get_logger()

INVALID_KEY = "Invalid API key. Please check your credentials."
NO_KEY = "Authentication required. Provide a valid user ID or API key."

COOKIE = "voice_server_session"
WEB_PREFIX = "web_"  # of what is in it
_KEY_CHARS = 36
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A key of the settings and what it stands for. Each key is its own owner unless one is named."""

    key: str
    name: str
    tier: Tier
    owner: str | None = None
    scopes: frozenset[Scope] = USUAL_SCOPES
    monthly_budget: float | None = None
    tools: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        """A name for it that no key of the database has."""
        return f"settings:{self.name}"


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new key shall be."""

    name: str
    tier: Tier
    owner: str | None = None
    scopes: frozenset[Scope] = USUAL_SCOPES
    monthly_budget: float | None = None


class KeyRing:
    """The known keys. While there has never been one, whoever reaches the server is the anonymous caller.

    A key of the database is looked up at every use, so that a new or a revoked one counts at once, whoever
    wrote it. Only while the database does not answer does the last answer hold.
    """

    def __init__(
        self,
        stored: Keys,
        clock: Clock,
        holders: Iterable[KeyHolder] = (),
        anonymous: Caller | None = None,
    ) -> None:
        self._stored = stored
        self._clock = clock
        callers = {_hashed(holder.key): _caller_of_settings(holder) for holder in holders}
        self._of_settings = callers
        self._by_id = {caller.key_id: caller for caller in callers.values()}
        self._anonymous = anonymous or Caller()
        self._is_required: bool | None = True if callers else None
        self._remembered: dict[str, Caller] = {}
        self._used_at_ms: dict[str, int] = {}

    async def is_required(self) -> bool:
        """Whether a key is demanded: from the first key on, for good. Revoking the last opens no door.

        Raises:
            StoreError: the database has never answered.
        """
        if not self._is_required:
            try:
                self._is_required = await self._stored.exist()
            except StoreError:
                if self._is_required is None:
                    raise
        return self._is_required

    async def identify(self, key: str | None) -> Caller:
        """Who brings this: a key, or the cookie of a browser that has signed in with one.

        Where none is demanded, one that is sent is ignored.

        Raises:
            AuthenticationError: a key is demanded, and this is none of ours.
            StoreError: the database does not answer, and it is not known from before.
        """
        hash = _hashed(key) if key else ""
        if (caller := self._of_settings.get(hash)) is not None:
            return caller
        if not await self.is_required():
            return self._anonymous
        if not key:
            raise AuthenticationError(NO_KEY)
        try:
            caller = await self._look_up(key, hash)
        except StoreError:
            if (caller := self._remembered.get(hash)) is None:
                raise
        if caller is None:
            self._remembered.pop(hash, None)
            raise AuthenticationError(INVALID_KEY, code="invalid_api_key")
        self._remember(hash, caller)
        return caller

    async def _look_up(self, key: str, hash: str) -> Caller | None:
        if not key.startswith(WEB_PREFIX):
            record = await self._stored.find(hash)
            return None if record is None else _caller_of_record(record)
        key_id = await self._stored.signed_in(hash, self._now_ms())
        if key_id is None:
            return None
        if (caller := self._by_id.get(key_id)) is not None:
            return caller
        record = await self._stored.get(key_id)
        return None if record is None else _caller_of_record(record)

    def _remember(self, hash: str, caller: Caller) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[hash] = caller
        if caller.key_id is not None and caller.key_id not in self._by_id:
            self._used_at_ms[caller.key_id] = self._now_ms()

    async def no_longer_good(self, callers: Iterable[Caller]) -> set[str | None]:
        """Which of these callers' key ids are not good any more; None stands for the anonymous caller."""
        ids = {caller.key_id for caller in callers}
        gone: set[str | None] = {None} if None in ids and await self.is_required() else set()
        return gone | await self._stored.revoked({one for one in ids if one and one not in self._by_id})

    # ── Making and revoking ──────────────────────────────────────────────────────────────────────

    async def create(self, wish: NewKey) -> tuple[KeyRecord, str]:
        """A new key, and its text, which nobody will see again."""
        key = new_key()
        key_id = new_key_id()
        record = KeyRecord(
            key_id,
            wish.name,
            wish.owner or key_id,
            wish.tier.value,
            tuple(scope.value for scope in Scope if scope in wish.scopes),
            key[-4:],
            wish.monthly_budget,
            self._now_ms(),
        )
        await self._stored.add(record, _hashed(key))
        return record, key

    async def newest(self, limit: int = 200, offset: int = 0) -> Sequence[KeyRecord]:
        """The keys of the database, the newest first."""
        await self.note_uses()
        return await self._stored.newest(limit, offset)

    async def revoke(self, key: str) -> Sequence[KeyRecord]:
        """Revoke the keys of this id or name.

        Raises:
            NotFoundError: there is no live one.
        """
        revoked = await self._stored.revoke(key, self._now_ms())
        if not revoked:
            raise NotFoundError(f"There is no live key {key}.")
        return revoked

    # ── Browsers ─────────────────────────────────────────────────────────────────────────────────

    async def sign_in(self, key: str, lifetime_s: float) -> tuple[Caller, str]:
        """Who holds this key, and the text of a cookie that stands for it.

        Raises:
            AuthenticationError: it is none of ours.
        """
        caller = await self.identify(key)
        if caller.key_id is None:
            raise AuthenticationError("This server asks nobody for a key: there is nothing to sign in to.")
        if key.startswith(WEB_PREFIX) and _hashed(key) not in self._of_settings:
            raise AuthenticationError(INVALID_KEY, code="invalid_api_key")  # a cookie would renew itself
        token = WEB_PREFIX + new_token()
        now_ms = self._now_ms()
        await self._stored.sign_in(_hashed(token), caller.key_id, now_ms, now_ms + round(lifetime_s * 1000))
        return caller, token

    async def sign_out(self, token: str) -> None:
        """The cookie stands for nothing any more."""
        await self._stored.sign_out(_hashed(token))
        self._remembered.pop(_hashed(token), None)

    # ── When they were used ──────────────────────────────────────────────────────────────────────

    async def note_uses(self) -> None:
        """Keep when keys were last used; to be called now and then, not at every use.

        Raises:
            StoreError: the database does not take it; nothing is lost.
        """
        used, self._used_at_ms = self._used_at_ms, {}
        if not used:
            return
        try:
            await self._stored.note_use(used)
        except BaseException:  # cancelled, too: the last of them are written at the end
            self._used_at_ms = used | self._used_at_ms
            raise

    def _now_ms(self) -> int:
        return round(self._clock.utc().timestamp() * 1000)


def new_key() -> str:
    """`sk-` and 36 letters or digits: over 200 bits of chance, so that a plain hash keeps it safe."""
    letters = string.ascii_letters + string.digits
    return "sk-" + "".join(secrets.choice(letters) for _ in range(_KEY_CHARS))


def _caller_of_settings(holder: KeyHolder) -> Caller:
    return Caller(
        holder.owner or f"key:{holder.name}",
        holder.tier,
        key_id=holder.id,
        key_name=holder.name,
        scopes=holder.scopes,
        monthly_budget=holder.monthly_budget,
        tools=holder.tools,
    )


def _caller_of_record(record: KeyRecord) -> Caller:
    return Caller(
        record.owner,
        Tier(record.tier),
        key_id=record.id,
        key_name=record.name,
        scopes=frozenset(Scope(one) for one in record.scopes),
        monthly_budget=record.monthly_budget,
    )


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
