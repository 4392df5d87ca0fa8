"""Tokens that were used stand in nobody's way."""

from datetime import UTC, datetime

import pytest

from voice_server.clock import Instant
from voice_server.core.caller import Caller
from voice_server.core.wire import Changes
from voice_server.errors import AuthenticationError, LimitError
from voice_server.ids import new_session_id
from voice_server.services import client_tokens
from voice_server.services.client_tokens import ClientTokens

pytestmark = pytest.mark.unit


class HandClock:
    """Goes when told."""

    now_ms = 0.0

    def now(self) -> Instant:
        return Instant(self.now_ms)

    def utc(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


def test_only_those_that_wait_to_be_used_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_tokens, "MOST_OPEN", 2)
    tokens = ClientTokens(HandClock(), 60, 3_600_000)
    for _ in range(5):
        tokens.redeem(tokens.issue(Caller(), None, Changes(), None), new_session_id())
    for _ in range(2):
        tokens.issue(Caller(), None, Changes(), None)
    with pytest.raises(LimitError):
        tokens.issue(Caller(), None, Changes(), None)


def test_a_used_token_is_good_for_as_long_as_its_session_may_last() -> None:
    clock = HandClock()
    tokens = ClientTokens(clock, 60, 3_600_000)
    token = tokens.issue(Caller(), None, Changes(), None)
    first = tokens.redeem(token, new_session_id())
    clock.now_ms += 3_599_000
    again = tokens.redeem(token, new_session_id())
    assert first.grant is not None and again.grant == first.grant
    clock.now_ms += 2_000
    with pytest.raises(AuthenticationError):
        tokens.redeem(token, new_session_id())
