import pytest

from tests.clocks import HandClock
from voice_server.clock import Instant
from voice_server.core.caller import Caller
from voice_server.core.wire import Changes
from voice_server.errors import AuthenticationError, LimitError
from voice_server.ids import SessionId
from voice_server.services import client_tokens
from voice_server.services.client_tokens import ClientTokens

pytestmark = pytest.mark.unit


def issued(tokens: ClientTokens, longest_ms: float | None = None) -> str:
    return tokens.issue(Caller("shop"), None, Changes(), longest_ms)


def test_only_tokens_that_wait_to_be_used_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_tokens, "MOST_WAITING", 4)
    tokens = ClientTokens(HandClock(), lifetime_s=60, session_s=3600)
    for number in range(3):
        tokens.redeem(issued(tokens), SessionId(f"sess_{number}"))
    for _ in range(4):
        issued(tokens)
    with pytest.raises(LimitError):
        issued(tokens)


@pytest.mark.parametrize(("longest_ms", "good_for_s"), [(None, 3600), (60_000, 60), (7_200_000, 3600)])
def test_a_used_token_is_forgotten_when_its_session_must_be_over(
    longest_ms: float | None, good_for_s: float
) -> None:
    clock = HandClock()
    tokens = ClientTokens(clock, lifetime_s=60, session_s=3600)
    token = issued(tokens, longest_ms)
    tokens.redeem(token, SessionId("sess_1"))
    clock.at = Instant(good_for_s * 1000 - 1)
    again = tokens.redeem(token, SessionId("sess_2"))
    assert again.grant is not None
    assert again.grant.session_id == "sess_1"
    clock.at = Instant(clock.at + 1)
    with pytest.raises(AuthenticationError):
        tokens.redeem(token, SessionId("sess_1"))
