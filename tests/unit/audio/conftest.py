from pathlib import Path

import pytest

from voice_server.providers.local.weights import WeightStore


@pytest.fixture(scope="session")
def silero_path() -> Path:
    return WeightStore().path("silero-vad")


@pytest.fixture(scope="session")
def smart_turn_path() -> Path:
    return WeightStore().path("smart-turn")
