"""Who holds which API key."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from voice_server.core.caller import Caller, Tier
from voice_server.errors import AuthenticationError

INVALID_KEY = "Invalid API key. Please check your credentials."
NO_KEY = "Authentication required. Provide a valid user ID or API key."


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A key and what it stands for. Each key is its own owner unless one is named."""

    key: str
    name: str
    tier: Tier
    owner: str | None = None
    tools: tuple[str, ...] | None = None


class KeyRing:
    """The known keys, by their hash. Without any, whoever reaches the server is the one local caller."""

    def __init__(self, holders: Iterable[KeyHolder] = ()) -> None:
        self._callers = {
            _hashed(holder.key): Caller(holder.owner or f"key:{holder.name}", holder.tier, holder.tools)
            for holder in holders
        }

    @property
    def is_required(self) -> bool:
        """Whether a key is demanded."""
        return bool(self._callers)

    def identify(self, key: str | None) -> Caller:
        """Who holds this key. Where none is demanded, one that is sent is ignored.

        Raises:
            AuthenticationError: a key is demanded, and this is none of ours.
        """
        if not self.is_required:
            return Caller()
        if not key:
            raise AuthenticationError(NO_KEY)
        if (caller := self._callers.get(_hashed(key))) is None:
            raise AuthenticationError(INVALID_KEY, code="invalid_api_key")
        return caller


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
