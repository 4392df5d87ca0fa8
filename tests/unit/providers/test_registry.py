import sys

import pytest

from voice_server.errors import ConfigurationError
from voice_server.providers import registry

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("role", ["stt", "llm", "tts"])
def test_the_local_providers_are_known(role: registry.Role) -> None:
    assert "local" in registry.known(role)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'whispr'; known are .*local"):
        registry.load("stt", "whispr", {})


def test_a_missing_package_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voice_server.providers.local.piper", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'voice-server\[local\]'"):
        registry.load("tts", "local", {})


def test_packages_of_an_extra_that_are_absent_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["rich>=13", 'rich; extra == "local"', "no-such-package==1; extra == 'local'", "x; extra == 'y'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: needs)
    assert registry.missing_packages("local") == ["no-such-package"]
    with pytest.raises(
        ConfigurationError, match=r"\(no-such-package\); run `pip install 'voice-server\[local"
    ):
        registry.load("tts", "local", {})


def test_a_vendors_library_that_is_missing_names_the_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"voice-server\[local\]"):
        registry.import_vendor("no_such_library_anywhere", extra="local")


@pytest.mark.parametrize("role", ["stt", "llm", "tts"])
def test_making_a_provider_loads_no_engine(role: registry.Role) -> None:
    provider = registry.load(role, "local", {})
    assert provider.name == "local"


def test_an_unknown_model_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigurationError, match=r"'gpt-9'; known are qwen-1.5b"):
        registry.load("llm", "local", {"model": "gpt-9"})
