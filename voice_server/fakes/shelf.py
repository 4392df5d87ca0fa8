"""The fakes by the name of their vendor; the library of a vendor is imported when its fake is asked for."""

import importlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from voice_server.errors import ConfigurationError
from voice_server.fakes.script import Fake, Script

FAKE_KEY = "a-made-up-key"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a fake is found, which stages it serves, and its vendor's settings (`{}` is the address)."""

    module: str
    kind: str
    stages: tuple[str, ...]
    base_url: str
    more: Mapping[str, Any]

    def open(self, script: Script, **habits: Any) -> AbstractAsyncContextManager[Fake]:
        """The fake, closed yet.

        Raises:
            ConfigurationError: it needs the vendor's library, which is not installed.
        """
        try:
            module = importlib.import_module(f"voice_server.fakes.{self.module}")
        except ImportError as error:
            raise ConfigurationError(
                f"The fake of {self.module} needs a package that is not installed; run `pip install "
                f"'voice-server[{self.module}]'`."
            ) from error
        if habits:
            return getattr(module, self.kind)(script, module.GoogleHabits(**habits))  # type: ignore[no-any-return]
        return getattr(module, self.kind)(script)  # type: ignore[no-any-return]


SHELF: Mapping[str, Stand] = {
    "openai": Stand(
        "openai", "FakeOpenAi", ("stt", "llm", "tts"), "http://{}/v1", {"stt_transport": "realtime"}
    ),
    "anthropic": Stand("anthropic", "FakeAnthropic", ("llm",), "http://{}", {}),
    "elevenlabs": Stand("elevenlabs", "FakeElevenLabs", ("stt", "tts"), "http://{}", {}),
    "google": Stand("google", "FakeGoogle", ("stt", "tts"), "http://{}", {}),
    "azure": Stand("azure", "FakeAzure", ("stt", "tts"), "http://{}", {}),
}


def settings_for(vendor: str, address: str) -> dict[str, Any]:
    """The settings by which the server speaks with a fake."""
    stand = SHELF[vendor]
    own = {"api_key": FAKE_KEY, "base_url": stand.base_url.format(address), **stand.more}
    return {f"vendors.{vendor}.{name}": value for name, value in own.items()}
