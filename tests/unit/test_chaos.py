"""Trouble by order, read."""

import subprocess
import sys

import pytest

from voice_server.errors import ConfigurationError
from voice_server.fakes.chaos import Trouble, read_chaos
from voice_server.fakes.script import Fault

pytestmark = pytest.mark.unit


def test_a_stage_or_a_vendor_and_what_is_wrong_with_it() -> None:
    assert read_chaos("google-305, tts-drop") == [
        Trouble("google", ("stt", "tts"), None, has_limit=True),
        Trouble("openai", ("tts",), Fault.DROP),
    ]
    assert read_chaos("azure-silent") == [Trouble("azure", ("stt", "tts"), Fault.STALL)]
    assert read_chaos("") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [("tts", "'tts'"), ("nobody-429", "google"), ("tts-sad", "drop"), ("azure-305", "google-305")],
)
def test_what_there_is_none_of_is_told_with_what_there_is(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        read_chaos(text)


def test_a_vendor_has_one_trouble() -> None:
    with pytest.raises(ConfigurationError, match="openai"):
        read_chaos("tts-drop,openai-429")


HEAVY = ("openai", "anthropic", "elevenlabs", "google.cloud", "grpc", "azure", "httpx", "httpx2")


def test_with_no_vendor_named_nothing_of_one_is_imported() -> None:
    """Neither of their libraries, nor of their fakes, nor of what we have written for them."""
    program = """
import sys
from voice_server import app
from voice_server.cli import commands
from voice_server.settings import Settings
settings = Settings()
catalogue = app.load_catalogue(settings)
app.chained(settings, catalogue, app.default_choice(settings, catalogue), None)
print("\\n".join(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(ran.stdout.split())
    assert "voice_server.providers.local.piper" in modules  # it did look
    assert not modules & set(HEAVY)
    vendors = ("openai", "anthropic", "elevenlabs", "google", "azure")
    ours = {f"voice_server.{room}.{vendor}" for room in ("providers", "fakes") for vendor in vendors}
    assert not modules & ours
