"""Recorded sessions decide today as they did then. A bug report becomes a test by its recording."""

from pathlib import Path

import pytest

from voice_server.core.replay import first_difference
from voice_server.core.tape import read

pytestmark = pytest.mark.unit

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"


@pytest.mark.parametrize("file", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda file: file.stem)
def test_it_is_decided_as_it_was_then(file: Path) -> None:
    with file.open("rb") as lines:
        tape = read(lines)
    assert tape.steps
    if (other := first_difference(tape)) is not None:
        pytest.fail(f"Step {other.number} is answered otherwise; see: voice-server replay {file}")
