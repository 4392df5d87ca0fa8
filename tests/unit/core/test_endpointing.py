"""One wait out of silence, sound, words and the caller's own pauses."""

from itertools import product

import pytest

from voice_server.core.endpointing import LONGEST_MS, SHORTEST_MS, Evidence, judge
from voice_server.core.pauses import FEWEST, KEPT, Pauses
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import TurnMode

pytestmark = pytest.mark.unit

SEMANTIC = TurnPolicy(TurnMode.SEMANTIC)
TEXTS = [None, "", "Tell me", "Do you know the", "Why is the sky blue?", "My code is 4 7", "Yes."]


def wait_ms(probability: float | None, text: str | None, pauses: Pauses = Pauses()) -> float:  # noqa: B008
    return judge(SEMANTIC, Evidence(probability, text, None, pauses)).wait_ms


@pytest.mark.parametrize(("probability", "text"), list(product([None, 0.0, 0.5, 1.0], TEXTS)))
@pytest.mark.parametrize("pause_ms", [0, 100, 700, 3_000])
def test_every_wait_is_within_bounds(probability: float | None, text: str | None, pause_ms: float) -> None:
    pauses = Pauses((pause_ms,) * KEPT)
    assert SHORTEST_MS <= wait_ms(probability, text, pauses) <= LONGEST_MS


@pytest.mark.parametrize("text", TEXTS)
def test_the_more_finished_it_sounds_the_shorter(text: str | None) -> None:
    waits = [wait_ms(probability, text) for probability in (0.1, 0.5, 0.9)]
    assert waits == sorted(waits, reverse=True)


def test_a_pause_of_a_second_within_a_clause_is_waited_for_whatever_it_sounds_like() -> None:
    for probability in (None, 0.1, 0.9):
        assert wait_ms(probability, "I would like a ticket to") > 1_200
        assert wait_ms(probability, "My phone number is 5 5 5") > 1_200
    assert wait_ms(0.1, "I would like a ticket.") > 1_200
    assert wait_ms(0.1, "What will the weather be like in?") > 1_200


def test_a_plain_question_is_taken_fast() -> None:
    assert wait_ms(0.95, "Where do penguins live?") == SHORTEST_MS
    assert wait_ms(None, "Where do penguins live?") < 400


def test_a_caller_who_pauses_long_is_given_more_time_and_the_brief_one_less() -> None:
    slow, brisk = Pauses((900,) * FEWEST), Pauses((150,) * FEWEST)
    assert (
        wait_ms(0.5, "Tell me more.", brisk)
        < wait_ms(0.5, "Tell me more.")
        < wait_ms(0.5, "Tell me more.", slow)
    )
    assert "caller_pauses_long" in judge(SEMANTIC, Evidence(0.5, "Tell me more.", None, slow)).reasons


def test_a_no_that_interrupted_is_mostly_a_beginning() -> None:
    rebuke = judge(SEMANTIC, Evidence(0.95, "No.", has_interrupted=True))
    assert (rebuke.wait_ms, rebuke.reasons) == (800, ("words_answer", "after_interrupting"))
    assert judge(SEMANTIC, Evidence(0.95, "No.")).wait_ms == SHORTEST_MS


def test_few_pauses_say_nothing() -> None:
    assert wait_ms(0.5, "Tell me.", Pauses((2_000,) * (FEWEST - 1))) == wait_ms(0.5, "Tell me.")


def test_old_pauses_are_forgotten() -> None:
    pauses = Pauses((2_000,) * KEPT)
    for _ in range(KEPT):
        pauses = pauses.and_then(200)
    assert pauses == Pauses((200,) * KEPT)


def test_the_reasons_say_why() -> None:
    assert judge(SEMANTIC, Evidence(0.9, "Why?")).reasons == ("words_question", "sounds_finished")
    assert judge(SEMANTIC, Evidence(0.1, "and the")).reasons == ("words_open",)
    assert judge(TurnPolicy(TurnMode.VAD), Evidence(0.1, "and the")).reasons == ("silence",)


def test_the_clients_own_silence_may_lie_outside_the_bounds() -> None:
    impatient = TurnPolicy(TurnMode.SEMANTIC, silence_ms=100)
    patient = TurnPolicy(TurnMode.SEMANTIC, silence_ms=4_000)
    assert judge(impatient, Evidence(0.5, "Tell me more.")).wait_ms == 100
    assert judge(patient, Evidence(0.5, "Tell me more.")).wait_ms == 4_000
