"""Tokens for browsers: each lets its bearer have one voice session, so that no key enters a page."""

from dataclasses import dataclass, replace

from voice_server.clock import Clock
from voice_server.core.caller import Caller, Grant
from voice_server.core.wire import Changes
from voice_server.errors import AuthenticationError, LimitError
from voice_server.ids import SessionId, new_token

PREFIX = "ct_"
MOST_WAITING = 10_000


@dataclass(slots=True)
class _Token:
    caller: Caller
    fixed: Changes
    longest_ms: float | None
    expires_at: float
    session_id: SessionId | None = None


class ClientTokens:
    """Tokens that were given out. In memory: they are good for a minute, then for their session only.

    Args:
        lifetime_s: how long one waits to be used.
        session_s: the longest that a session can last.
    """

    def __init__(self, clock: Clock, lifetime_s: float, session_s: float) -> None:
        self._clock = clock
        self.lifetime_s = lifetime_s
        self._session_ms = session_s * 1000
        self._tokens: dict[str, _Token] = {}

    def issue(self, caller: Caller, user_id: str | None, fixed: Changes, longest_ms: float | None) -> str:
        """A new token, for a session in the caller's name.

        Raises:
            LimitError: too many are waiting to be used.
        """
        now = self._clock.now()
        self._tokens = {text: one for text, one in self._tokens.items() if one.expires_at > now}
        if sum(one.session_id is None for one in self._tokens.values()) >= MOST_WAITING:
            raise LimitError("Too many client tokens are waiting to be used. Try again in a minute.")
        text = PREFIX + new_token()
        bound = replace(caller, user_id=user_id or caller.owner)
        self._tokens[text] = _Token(bound, fixed, longest_ms, now + self.lifetime_s * 1000)
        return text

    def redeem(self, text: str, session_id: SessionId) -> Caller:
        """Use a token up for this session. Afterwards it serves only to resume the session.

        Raises:
            AuthenticationError: it is not known, or no longer.
        """
        now = self._clock.now()
        token = self._tokens.get(text)
        if token is None or token.expires_at <= now:
            raise AuthenticationError("This client token is not known or has expired.", code="invalid_token")
        if token.session_id is None:
            token.session_id = session_id
            token.expires_at = now + min(token.longest_ms or self._session_ms, self._session_ms)
        return replace(token.caller, grant=Grant(token.session_id, token.fixed, token.longest_ms))
