"""Who is calling."""

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """How much a key may use."""

    FREE = "free"
    BASIC = "basic"
    PRO = "pro"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Caller:
    """A key's holder, or the one anonymous caller of a server without keys.

    `owner` is whose objects the caller reaches; a `user_id` is a label within it, never a credential.
    `tools` are patterns of the server's tools that this key may use; None: those of its tier.
    """

    owner: str = "local"
    tier: Tier | None = None
    tools: tuple[str, ...] | None = None
