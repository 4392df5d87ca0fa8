"""Tickets for `/voice/stream/{id}`: asked for by REST, used once for a socket."""

import hmac
from dataclasses import dataclass

from voice_server.clock import Clock
from voice_server.core.caller import Caller
from voice_server.core.wire import Changes
from voice_server.errors import AuthenticationError, LimitError
from voice_server.ids import SessionId, new_session_id, new_token

LIFETIME_MS = 60_000.0
MOST_OPEN = 10_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to one voice stream, and what is wished for it."""

    session_id: SessionId
    token: str
    caller: Caller
    user_id: str | None
    conversation_id: str | None
    changes: Changes
    expires_at: float


class VoiceStreams:
    """Tickets that were given out. In memory: they live for a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Ticket] = {}

    def issue(
        self, caller: Caller, user_id: str | None, conversation_id: str | None, changes: Changes
    ) -> Ticket:
        """A new ticket.

        Raises:
            LimitError: too many are open.
        """
        now = self._clock.now()
        self._open = {key: one for key, one in self._open.items() if one.expires_at > now}
        if len(self._open) >= MOST_OPEN:
            raise LimitError("Too many voice streams are waiting to begin. Try again in a minute.")
        ticket = Ticket(
            new_session_id(), new_token(), caller, user_id, conversation_id, changes, now + LIFETIME_MS
        )
        self._open[ticket.session_id] = ticket
        return ticket

    def redeem(self, session_id: str, token: str | None) -> Ticket:
        """Use a ticket up.

        Raises:
            AuthenticationError: there is none of this id and token, or no longer.
        """
        ticket = self._open.get(session_id)
        if ticket is None or ticket.expires_at <= self._clock.now():
            raise AuthenticationError("This voice stream is not known or has expired.", code="unknown_stream")
        if token is None or not hmac.compare_digest(ticket.token.encode(), token.encode()):
            raise AuthenticationError("The token of this voice stream is wrong.", code="invalid_token")
        del self._open[session_id]
        return ticket
