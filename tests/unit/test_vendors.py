"""From settings to vendors: what each provider is given, what is missing, whose voice speaks."""

import dataclasses
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fakes.scripted import TONE_VOICE, ScriptedLlm, ScriptedStt, ScriptedTts
from voice_server import app as wiring
from voice_server.cli import commands
from voice_server.errors import ConfigurationError
from voice_server.providers import registry
from voice_server.providers.anthropic.options import AnthropicOptions
from voice_server.providers.azure.options import AzureOptions
from voice_server.providers.base import Voice
from voice_server.providers.elevenlabs.options import ElevenLabsOptions
from voice_server.providers.google.options import GoogleOptions
from voice_server.providers.openai.options import OpenAiOptions
from voice_server.session.choice import Catalogue
from voice_server.settings import Role, Settings, explain, load_settings, settings_table

pytestmark = pytest.mark.unit

OPTIONS: dict[str, Any] = {
    "openai": OpenAiOptions,
    "anthropic": AnthropicOptions,
    "elevenlabs": ElevenLabsOptions,
    "google": GoogleOptions,
    "azure": AzureOptions,
}
ROLES: tuple[Role, ...] = ("stt", "llm", "tts")
OFFERS = [
    ("llm", "openai"),
    ("llm", "anthropic"),
    *product(("stt", "tts"), ("openai", "elevenlabs", "google", "azure")),
]
PACKAGE = Path(__file__).parents[2] / "voice_server"
KEY = "swordfish"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in settings_table():
        monkeypatch.delenv(setting.variable, raising=False)


def chosen(role: Role, vendor: str, **more: Any) -> Settings:
    """Settings with a vendor in one role, and the rest as it is."""
    return load_settings(
        None,
        {role: [vendor], f"vendors.{vendor}.api_key": KEY, "vendors.azure.region": "westeurope"}
        | {f"vendors.{vendor}.{name}": value for name, value in more.items()},
    )


# ── What a provider is given ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "vendor"), OFFERS)
def test_a_vendor_with_its_key_can_be_chosen(role: Role, vendor: str) -> None:
    catalogue = wiring.load_catalogue(chosen(role, vendor))
    names = {one: getattr(catalogue, one)[0].name for one in ROLES}
    assert names == dict.fromkeys(ROLES, "local") | {role: vendor}


@pytest.mark.parametrize("vendor", OPTIONS)
def test_every_setting_of_a_vendor_reaches_it_and_every_option_can_be_set(vendor: str) -> None:
    """But the name of a server that is like OpenAI's; the language is the server's own setting."""
    prefix = f"vendors.{vendor}."
    fields = {one.name.removeprefix(prefix) for one in settings_table() if one.name.startswith(prefix)}
    fields.remove("concurrency")  # the chain's
    slots = {one.name for one in dataclasses.fields(OPTIONS[vendor])}
    settable = fields | {re.sub("^(stt|llm|tts)_", "", field) for field in fields}
    assert {field for field in fields if not {field, re.sub("^(stt|llm|tts)_", "", field)} & slots} == set()
    assert slots - settable <= {"name", "language"}


def test_a_field_of_a_role_is_for_that_role_only() -> None:
    settings = chosen("stt", "elevenlabs", stt_model="ears", tts_model="mouth", stt_transport="http")
    found = {role: ElevenLabsOptions.read(settings.vendors.options_for(role, "elevenlabs")) for role in ROLES}
    assert {role: one.model for role, one in found.items()} == {"stt": "ears", "llm": None, "tts": "mouth"}
    assert {role: one.transport for role, one in found.items()} == {"stt": "http", "llm": None, "tts": "http"}


def test_what_is_empty_is_left_to_the_provider() -> None:
    assert OpenAiOptions.read(chosen("llm", "openai").vendors.options_for("llm", "openai")) == OpenAiOptions(
        KEY, embeddings_dimensions=512
    )


def test_the_language_and_lists_and_paths_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = tmp_path / "account.json"
    account.touch()
    monkeypatch.setenv("VOICE_SERVER_LANGUAGE", "de-DE")
    monkeypatch.setenv("VOICE_SERVER_VENDORS__OPENAI__VOICES", "anna, otto")
    monkeypatch.setenv("VOICE_SERVER_VENDORS__OPENAI__API_KEY", f" {KEY}\n")
    monkeypatch.setenv("VOICE_SERVER_VENDORS__GOOGLE__CREDENTIALS_FILE", "~/account.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load_settings()
    openai = OpenAiOptions.read(wiring.provider_options(settings, "tts", "openai"))
    google = GoogleOptions.read(wiring.provider_options(settings, "stt", "google"))
    assert (openai.voices, openai.api_key) == (("anna", "otto"), KEY)
    assert (google.language, google.credentials_file) == ("de-DE", str(account))


def test_a_provider_of_somebody_else_is_given_the_language_and_no_key() -> None:
    settings = chosen("llm", "openai")
    assert wiring.provider_options(settings, "llm", "somebody") == {"language": "en-US"}


@pytest.mark.parametrize(
    ("role", "vendor", "setting", "more"),
    [
        ("llm", "openai", "llm_model", {}),
        ("tts", "openai", "tts_model", {}),
        ("stt", "openai", "stt_model", {"stt_transport": "http"}),
        ("stt", "openai", "stt_model", {"stt_transport": "realtime"}),
        ("llm", "anthropic", "llm_model", {}),
        ("stt", "elevenlabs", "stt_model", {"stt_transport": "http"}),
        ("stt", "elevenlabs", "stt_model", {"stt_transport": "websocket"}),
        ("tts", "elevenlabs", "tts_model", {}),
    ],
)
def test_the_model_that_a_setting_promises_is_the_provider_s(
    role: Role, vendor: str, setting: str, more: dict[str, str]
) -> None:
    (provider,) = getattr(wiring.load_catalogue(chosen(role, vendor, **more)), role)
    described = next(one for one in settings_table() if one.name == f"vendors.{vendor}.{setting}")
    assert f"`{provider.title.split()[-1]}`" in described.description


@pytest.mark.parametrize("vendor", ["openai", "elevenlabs", "google", "azure"])
def test_the_voice_that_a_setting_promises_is_the_provider_s(vendor: str) -> None:
    (tts,) = wiring.load_catalogue(chosen("tts", vendor)).tts
    described = next(one for one in settings_table() if one.name == f"vendors.{vendor}.voice")
    assert f"`{tts.capabilities.voices[0].id}`" in described.description


def test_nothing_of_a_vendor_is_imported_before_it_is_named() -> None:
    program = """
import sys
from voice_server import app
from voice_server.settings import Settings
app.load_catalogue(Settings())
vendors = ("openai", "anthropic", "elevenlabs", "google.cloud", "azure", "grpc")
ours = tuple(f"voice_server.providers.{name}" for name in vendors)
loaded = [one for one in sys.modules if one in vendors or one.startswith(ours)]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# ── What is missing ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "vendor"), OFFERS)
def test_a_missing_key_is_one_sentence_that_names_its_setting(role: Role, vendor: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        wiring.load_catalogue(load_settings(None, {role: [vendor]}))
    (named, *_) = re.findall(r"VOICE_SERVER_[A-Z_]*[A-Z]", caught.value.message)
    assert named == f"VOICE_SERVER_VENDORS__{vendor.upper()}__API_KEY"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("role", "vendor"), OFFERS)
def test_a_missing_package_is_one_sentence_with_its_extra(
    role: Role, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "missing_packages", lambda extra: ["gone"] if extra == vendor else [])
    with pytest.raises(ConfigurationError, match=rf"pip install 'voice-server\[{vendor}\]'"):
        wiring.load_catalogue(chosen(role, vendor))


def test_config_check_names_what_is_missing_and_hides_every_key(tmp_path: Path) -> None:
    environment = {
        "COLUMNS": "200",
        "VOICE_SERVER_MODELS_DIR": str(tmp_path),
        "VOICE_SERVER_LLM": "anthropic",
        "VOICE_SERVER_TTS": "azure",
        "VOICE_SERVER_VENDORS__ANTHROPIC__API_KEY": KEY,
        "VOICE_SERVER_VENDORS__AZURE__API_KEY": KEY,
    }
    shown = CliRunner().invoke(commands.cli, ["config", "check"], env=environment)
    assert shown.exit_code == 1
    assert "VOICE_SERVER_VENDORS__AZURE__REGION" in shown.stderr
    rows = {words[0]: words[1:] for line in shown.stdout.splitlines() if (words := line.split())}
    variable = "VOICE_SERVER_VENDORS__ANTHROPIC__API_KEY"
    assert rows["vendors.anthropic.api_key"] == ["hidden", variable]
    assert rows["vendors.openai.api_key"] == ["none", "default"]
    assert KEY not in shown.output


def test_no_key_of_a_vendor_is_ever_shown() -> None:
    settings = chosen("llm", "openai")
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(explain(settings))
    assert KEY not in shown


def test_a_key_that_is_none_is_named_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {"vendors.openai.api_key": [KEY]})
    assert caught.value.message.startswith("vendors.openai.api_key (from the command line) is not a key: ")
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("vendors.openai.base_url", "localhost:8000"),
        ("vendors.openai.stt_transport", "websocket"),
        ("vendors.elevenlabs.tts_transport", "realtime"),
        ("vendors.google.region", "West Europe"),
        ("vendors.google.stt_rotate_after_s", 600),
        ("vendors.anthropic.thinking", "hard"),
    ],
)
def test_a_value_that_no_vendor_takes_is_refused(setting: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{setting} \(from the command line\) is"):
        load_settings(None, {setting: value})


def test_every_setting_that_a_provider_s_sentence_names_is_one() -> None:
    named = {
        variable
        for file in (PACKAGE / "providers").rglob("*.py")
        for variable in re.findall(r"VOICE_SERVER_VENDORS__[A-Z]+__[A-Z_]*[A-Z]", file.read_text("utf-8"))
    }
    assert len(named) > 10
    assert named <= {setting.variable for setting in settings_table()}


# ── Whose voice speaks ───────────────────────────────────────────────────────────────────────────

JOE = Voice("joe", "other", "Joe", "male", ("en-US",))


def voice_of(settings: Settings, *providers: ScriptedTts) -> Voice:
    catalogue = Catalogue([ScriptedStt()], [ScriptedLlm()], providers)
    choice = wiring.default_choice(settings, catalogue)
    assert choice.tts.name == choice.voice.provider
    return choice.voice


def test_a_provider_without_the_usual_voice_speaks_with_its_first() -> None:
    joes = ScriptedTts(name="other", voices=(JOE,))
    assert voice_of(load_settings(), ScriptedTts()) == TONE_VOICE
    assert voice_of(load_settings(), joes) == JOE
    assert voice_of(load_settings(), ScriptedTts(), joes) == TONE_VOICE  # the first is used


@pytest.mark.parametrize("voice", ["joe", "anna"])
def test_a_voice_that_was_chosen_is_the_one_or_an_error(voice: str) -> None:
    settings = load_settings(None, {"tts_voice": voice})
    with pytest.raises(ConfigurationError, match=rf"tts_voice is '{voice}', but the voices are: tone\."):
        voice_of(settings, ScriptedTts())
    theirs = Voice(voice, "other", voice, "neutral", ("en-US",))
    assert voice_of(settings, ScriptedTts(), ScriptedTts(name="other", voices=(theirs,))) == theirs
