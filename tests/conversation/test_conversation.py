"""Scripted callers before the real ears: what must come of each case."""

import pytest

from tests.conversation.caller import Models, play
from tests.conversation.cases import CASES, Case

pytestmark = pytest.mark.conversation


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=f"{case.kind}: {case.name}",
            marks=[pytest.mark.xfail(reason=case.known_failure, strict=False)] if case.known_failure else [],
        )
        for case in CASES
    ],
)
async def test_a_conversation(case: Case, ears: Models) -> None:
    outcome = await play(case, ears)
    assert outcome.is_right, (outcome.turns, outcome.cuts)


def test_there_are_enough_cases_of_every_kind() -> None:
    assert len(CASES) >= 60
    assert len({case.name + case.kind for case in CASES}) == len(CASES)
