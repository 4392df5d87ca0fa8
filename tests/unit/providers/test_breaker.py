"""When a provider is left alone, and when it is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.providers.resilient.breaker import LONGEST_REST_S, Breaker, Pass, Status

pytestmark = pytest.mark.unit

WINDOW_S = 10.0


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(3, WINDOW_S)
    for _ in range(3):
        admitted(breaker, now_s).failed(now_s, None)
    return breaker


def admitted(breaker: Breaker, now_s: float) -> Pass:
    leave = breaker.admit(now_s)
    assert leave is not None
    return leave


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3, WINDOW_S)
    for _ in range(2):
        admitted(breaker, 0).failed(0, None)
    admitted(breaker, 0).succeeded()
    for _ in range(2):
        admitted(breaker, 0).failed(0, None)
    assert breaker.would_admit(0)
    admitted(breaker, 0).failed(0, None)
    assert breaker.status is Status.TROUBLED
    assert breaker.admit(WINDOW_S - 0.1) is None


def test_after_the_window_one_call_tries_it() -> None:
    breaker = opened()
    probe = admitted(breaker, WINDOW_S)
    assert breaker.admit(WINDOW_S) is None
    probe.failed(WINDOW_S + 1, None)
    assert breaker.admit(2 * WINDOW_S) is None
    probe = admitted(breaker, 2 * WINDOW_S + 1)
    probe.answered()
    assert breaker.status is Status.OK
    assert breaker.admit(2 * WINDOW_S + 1) is not None


def test_an_answer_that_breaks_off_opens_it_again_at_once() -> None:
    breaker = opened()
    probe = admitted(breaker, WINDOW_S)
    probe.answered()
    probe.failed(WINDOW_S, None)
    assert breaker.status is Status.TROUBLED


def test_a_try_that_its_caller_gave_up_was_the_one_of_its_window() -> None:
    breaker = opened()
    admitted(breaker, WINDOW_S).left(WINDOW_S + 1)
    assert breaker.admit(2 * WINDOW_S) is None
    assert breaker.admit(2 * WINDOW_S + 1) is not None


def test_a_provider_that_asks_for_a_rest_gets_it() -> None:
    breaker = Breaker(3, WINDOW_S)
    admitted(breaker, 0).failed(0, 2.0)
    assert breaker.admit(1.9) is None
    assert breaker.admit(2.0) is not None
    breaker = Breaker(3, WINDOW_S)
    admitted(breaker, 0).failed(0, 86_400)
    assert breaker.admit(LONGEST_REST_S) is not None


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 2)), max_size=200))
def test_while_it_is_down_there_is_never_more_than_one_try_a_window(calls: list[tuple[float, int]]) -> None:
    """Callers come when they like; their calls fail, or are given up, at once or one caller later."""
    breaker, now_s = opened(), 0.0
    tries: list[float] = []
    running: Pass | None = None
    for after_s, what in calls:
        now_s += after_s
        if running is not None:
            running.failed(now_s, None) if what == 0 else running.left(now_s)
            running = None
        if (leave := breaker.admit(now_s)) is not None:
            tries.append(now_s)
            if what == 2:
                running = leave
            else:
                leave.failed(now_s, None)
    assert all(later - earlier >= WINDOW_S for earlier, later in zip(tries, tries[1:], strict=False))
