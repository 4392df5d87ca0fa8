import pytest

from tests.fakes.scripted import ScriptedLlm, ScriptedStt
from voice_server.errors import ProviderUnavailable
from voice_server.services.readiness import Readiness

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("error", [ProviderUnavailable("It is away.", stage="llm"), RuntimeError("a secret")])
async def test_a_stage_that_fails_keeps_nobody_waiting(error: Exception) -> None:
    class Failing(ScriptedLlm):
        async def warm(self) -> None:
            raise error

    readiness = Readiness({"stt": ScriptedStt(), "llm": Failing()})
    await readiness.warm()
    await readiness.wait()
    assert readiness.stages["stt"] == "ready"
    assert readiness.stages["llm"].startswith("failed: ")
    assert "secret" not in readiness.stages["llm"]
    assert not readiness.is_ready
