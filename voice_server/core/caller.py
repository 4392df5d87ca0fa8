"""Who is calling, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from voice_server.core.wire import Changes
from voice_server.errors import ForbiddenError
from voice_server.ids import SessionId


class Tier(StrEnum):
    """How much a key may use."""

    FREE = "free"
    BASIC = "basic"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class Scope(StrEnum):
    """What a key may be used for: voice sessions, everything else about conversations, managing keys."""

    VOICE = "voice"
    CHAT = "chat"
    ADMIN = "admin"


USUAL_SCOPES = frozenset({Scope.VOICE, Scope.CHAT})


@dataclass(frozen=True, slots=True)
class Grant:
    """A right to one session: what its holder may not choose, and how long it may last."""

    session_id: SessionId
    fixed: Changes = Changes()
    longest_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A key's holder, or the one anonymous caller of a server without keys.

    `owner` is whose objects the caller reaches; a `user_id` is a label within it, never a credential.
    `key_id` is None for the anonymous caller. With a `grant` the caller is a browser that was let in for one
    session, as the `user_id` it was given.
    `tools` are patterns of the server's tools that this key may use; None: those of its tier.
    """

    owner: str = "local"
    tier: Tier | None = None
    key_id: str | None = None
    key_name: str | None = None
    scopes: frozenset[Scope] = frozenset(Scope)
    monthly_budget: float | None = None
    user_id: str | None = None
    grant: Grant | None = None
    tools: tuple[str, ...] | None = None

    def demand(self, scope: Scope) -> None:
        """Go on only with this right.

        Raises:
            ForbiddenError: the caller does not have it.
        """
        if scope not in self.scopes:
            raise ForbiddenError(f"This needs a key with the scope '{scope.value}'.")
