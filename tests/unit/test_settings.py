import json
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from voice_server.errors import ConfigurationError
from voice_server.settings import Settings, Tier, explain, load_settings, settings_table, unknown_variables

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in settings_table():
        monkeypatch.delenv(setting.variable, raising=False)


def write(folder: Path, text: str) -> Path:
    file = folder / "own.toml"
    file.write_text(text, "utf-8")
    return file


def refusal(config_file: Path | None = None, overrides: Mapping[str, object] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config_file, overrides)
    return caught.value.message


def source_of(settings: Settings, name: str) -> str:
    return next(line.source for line in explain(settings) if line.name == name)


# ── Sources and their order ──────────────────────────────────────────────────────────────────────


def test_without_any_source_the_defaults_hold() -> None:
    assert load_settings().model_dump() == Settings().model_dump()


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "port = 1001\nrest_port = 1002\nlog_level = 'error'\n[limits]\ninit_s = 7\n")
    monkeypatch.setenv("VOICE_SERVER_REST_PORT", "2002")
    monkeypatch.setenv("VOICE_SERVER_LOG_LEVEL", "debug")
    settings = load_settings(file, {"log_level": "warning", "host": None})
    assert (settings.port, settings.rest_port, settings.log_level) == (1001, 2002, "warning")
    assert (settings.limits.init_s, settings.limits.handshake_s) == (7, 10)
    assert source_of(settings, "host") == "default"
    assert source_of(settings, "port") == str(file)
    assert source_of(settings, "limits.init_s") == str(file)
    assert source_of(settings, "rest_port") == "VOICE_SERVER_REST_PORT"
    assert source_of(settings, "log_level") == "the command line"


def test_the_environment_reaches_into_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_LIMITS__SESSIONS__FREE", "3")
    monkeypatch.setenv("VOICE_SERVER_TURN_DETECTION__INTERRUPT", "false")
    monkeypatch.setenv("VOICE_SERVER_LLM_MODEL", "smollm2")
    monkeypatch.setenv("VOICE_SERVER_DATA_DIR", "~/voices")
    monkeypatch.setenv("HOME", "/home/anna")
    settings = load_settings()
    assert settings.limits.sessions.free == 3
    assert settings.limits.sessions.basic == 10
    assert settings.turn_detection.interrupt is False
    assert settings.llm_model == "smollm2"
    assert settings.data_dir == Path("/home/anna/voices")


@pytest.mark.parametrize("text", ["first, second", '["first", "second"]'])
def test_a_list_in_the_environment_is_words_or_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_STT", text)
    monkeypatch.setenv("VOICE_SERVER_API_KEYS", text)
    settings = load_settings()
    assert settings.stt == ("first", "second")
    assert [key.key.get_secret_value() for key in settings.api_keys] == ["first", "second"]
    assert [key.name for key in settings.api_keys] == ["key-1", "key-2"]


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_PORT", "")
    monkeypatch.setenv("VOICE_SERVER_API_KEYS", "")
    assert load_settings().model_dump() == Settings().model_dump()


def test_keys_in_a_file_have_names_tiers_and_owners(tmp_path: Path) -> None:
    file = write(tmp_path, '[[api_keys]]\nkey = "k"\nname = "tablet"\ntier = "basic"\nowner = "anna"\n')
    (key,) = load_settings(file).api_keys
    assert (key.name, key.tier, key.owner) == ("tablet", Tier.BASIC, "anna")


def test_settings_alone_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_PORT", "1234")
    assert Settings().port == 6789


def test_every_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in settings_table():
        if setting.default not in ("", []):
            value = setting.default
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(setting.variable, text)
    settings = load_settings()
    set_by_variable = {line.name for line in explain(settings) if line.source.startswith("VOICE_SERVER_")}
    assert set_by_variable == {s.name for s in settings_table() if s.default not in ("", [])}
    assert settings.model_dump() == Settings().model_dump()


# ── Sentences for what is wrong ──────────────────────────────────────────────────────────────────


def test_a_wrong_value_names_setting_source_value_and_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_PORT", "99999")
    message = refusal()
    assert message.startswith("port (from VOICE_SERVER_PORT) is '99999'")
    assert "a whole number from 0 to 65535" in message
    assert "\n" not in message


def test_a_wrong_word_names_the_right_ones(tmp_path: Path) -> None:
    file = write(tmp_path, 'llm_model = "gpt-9"')
    message = refusal(file)
    assert f"llm_model (from {file}) is 'gpt-9'" in message
    assert "one of smollm2, qwen-0.5b, qwen-1.5b" in message


def test_each_wrong_value_has_a_line() -> None:
    message = refusal(None, {"port": -1, "limits.init_s": 0, "turn_detection.threshold": 1})
    assert [line.split(" ")[0] for line in message.splitlines()] == [
        "port",
        "turn_detection.threshold",
        "limits.init_s",
    ]


@pytest.mark.parametrize(
    ("text", "unknown", "nearest"),
    [
        ("prot = 1", "prot", "port"),
        ("silence_ms = 700", "silence_ms", "turn_detection.silence_ms"),
        ("[limit]\ninit_s = 1", "limit.init_s", "limits.init_s"),
        ("[limits.session]\nfree = 1", "limits.session.free", "limits.sessions.free"),
    ],
)
def test_an_unknown_setting_names_the_nearest(text: str, unknown: str, nearest: str, tmp_path: Path) -> None:
    file = write(tmp_path, text)
    assert refusal(file) == f"There is no setting {unknown} (from {file}). Did you mean {nearest}?"


def test_a_table_given_as_a_value_is_explained(tmp_path: Path) -> None:
    assert "limits (from" in refusal(write(tmp_path, "limits = 3"))


def test_an_unknown_setting_within_a_table_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_LIMITS__INIT", "3")
    assert "Did you mean VOICE_SERVER_LIMITS__INIT_S?" in refusal()


def test_a_table_in_one_variable_must_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_LIMITS", "many")
    assert "VOICE_SERVER_LIMITS" in refusal()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("VOICE_SERVER_APIKEYS", "VOICE_SERVER_API_KEYS"),
        ("VOICE_SERVER_SILENCE_MS", "VOICE_SERVER_TURN_DETECTION__SILENCE_MS"),
    ],
)
def test_unknown_variables_are_told_with_the_nearest(
    name: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "k")
    assert unknown_variables() == [f"The environment variable {name} sets nothing. Did you mean {nearest}?"]


@pytest.mark.parametrize("text", ["port = ", "\xff"])
def test_a_file_that_is_no_toml_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(text.encode("latin-1"))
    assert f"{file} is not valid TOML" in refusal(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml").endswith("none.toml cannot be read: No such file or directory.")


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        ({"tls_cert": "cert.pem"}, "tls_cert and tls_key go together"),
        ({"port": 8080}, "port and rest_port are both 8080"),
        ({"limits.ping_s": 50}, "dead_after_s (40) must be more than ping_s (50)"),
        ({"api_keys": "a,a"}, "twice"),
        ({"api_keys": [{"key": "a", "name": "n"}, {"key": "b", "name": "n"}]}, "the same name"),
        ({"stt": []}, "stt"),
        ({"trusted_proxies": "everyone"}, "trusted_proxies"),
        ({"public_url": "voice.example"}, "public_url"),
        ({"language": "english please"}, "language"),
        ({"api_keys": "[oops"}, "api_keys (from the command line)"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(overrides: dict[str, object], part: str) -> None:
    assert part in refusal(None, overrides)


# ── Keys stay hidden ─────────────────────────────────────────────────────────────────────────────


def test_no_key_is_ever_shown() -> None:
    settings = load_settings(None, {"api_keys": ["swordfish", "mackerel"]})
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(explain(settings))
    assert "swordfish" not in shown
    assert "mackerel" not in shown
    assert "key-1 (pro, hidden), key-2 (pro, hidden)" in shown


@pytest.mark.parametrize(
    "entry",
    [
        {"key": "swordfish", "name": "n", "tier": "gold"},
        {"key": "swordfish"},
        {"key": "swordfish", "name": "n", "colour": 1},
        {"key": ["swordfish"], "name": "n"},
    ],
)
def test_a_wrong_key_entry_is_named_and_its_key_is_not(entry: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {"api_keys": [{"key": "other", "name": "first"}, entry]})
    assert "api_keys (from the command line), entry 2" in caught.value.message
    assert "swordfish" not in "".join(traceback.format_exception(caught.value))


# ── What follows from settings ───────────────────────────────────────────────────────────────────


def test_origins_are_the_rest_port_s_own_unless_named() -> None:
    assert set(Settings(rest_port=81).allowed_origins) == {
        "http://localhost:81",
        "http://127.0.0.1:81",
        "https://localhost:81",
        "https://127.0.0.1:81",
    }
    assert "https://voice.example" in Settings(public_url="wss://voice.example/ws").allowed_origins
    assert Settings(origins=("https://app.example",)).allowed_origins == ("https://app.example",)


@pytest.mark.parametrize(
    ("host", "beyond"), [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True)]
)
def test_which_hosts_reach_beyond_this_machine(host: str, beyond: bool) -> None:
    assert Settings(host=host).reaches_beyond_this_machine is beyond


def test_only_local_providers_need_local_models() -> None:
    assert Settings(llm_model="smollm2").needed_models == (
        "silero-vad",
        "smart-turn",
        "whisper-tiny-en",
        "piper-joe",
        "smollm2",
        "minilm",
    )
    elsewhere = Settings(stt=("a",), llm=("b", "c"), tts=("d",), embeddings="e")
    assert elsewhere.needed_models == ("silero-vad", "smart-turn")


# ── Tools ────────────────────────────────────────────────────────────────────────────────────────

TOOLS = """
[tools]
functions = ["roll_dice"]

[tools.allowed]
free = ["roll_*"]

[[tools.http]]
name = "weather"
description = "Tells the weather."
url = "https://weather.example/v1/{place}"
headers = { Authorization = "Bearer swordfish" }
parameters = { properties = { place = { type = "string" } }, required = ["place"] }

[[tools.mcp]]
name = "files"
command = "files-server"
args = ["--read-only"]
env = { TOKEN = "sesame" }
"""


def test_tools_are_read_and_their_secrets_never_shown(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, TOOLS))
    (weather,), (files,) = settings.tools.http, settings.tools.mcp
    assert weather.headers["Authorization"].get_secret_value() == "Bearer swordfish"
    assert weather.parameters["required"] == ["place"]
    assert (files.command, files.args, files.env["TOKEN"].get_secret_value()) == (
        "files-server",
        ("--read-only",),
        "sesame",
    )
    assert settings.tools.allowed.free == ("roll_*",)
    shown = {line.name: line.value for line in explain(settings)}
    assert (shown["tools.http"], shown["tools.mcp"]) == ("weather", "files")
    assert not any(secret in repr((shown, settings)) for secret in ("swordfish", "sesame"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ('url = "https://weather.example/v1/{place}"', "entry 1 is not right at url"),
        ('name = "weather"', "entry 1 is not right at name"),
        ('command = "files-server"', "entry 1 is not right: give either a command or a url."),
    ],
)
def test_a_tool_that_is_not_right_is_named_without_its_secrets(
    wrong: str, sentence: str, tmp_path: Path
) -> None:
    name = wrong.partition(" ")[0]
    other = {"url": 'url = "https://{place}/"', "name": 'name = "the weather"', "command": 'command = ""'}[
        name
    ]
    message = refusal(write(tmp_path, TOOLS.replace(wrong, other)))
    assert sentence in message
    assert "swordfish" not in message and "sesame" not in message


def test_no_password_of_an_address_is_shown() -> None:
    settings = load_settings(None, {"database_url": "postgresql://ada:geheim@host/voice"})
    shown = {one.name: one.value for one in explain(settings)}
    assert shown["database_url"] == "postgresql://ada:hidden@host/voice"
    assert "geheim" not in refusal(overrides={"traces": "ftp://ada:geheim@host/v1"})


def test_a_variable_of_a_whole_table_sets_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_LIMITS", '{"init_s": 7}')
    monkeypatch.setenv("VOICE_SERVER_VENDORS__OPENAI", '{"voice": "nova"}')
    settings = load_settings()
    assert (settings.limits.init_s, settings.vendors.openai.voice) == (7, "nova")
    assert unknown_variables() == []


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("wss://voice.example/talk", "https://voice.example"),
        ("wss://Voice.Example:443", "https://voice.example"),
        ("http://voice.example:80/", "http://voice.example"),
        ("https://voice.example:8443", "https://voice.example:8443"),
    ],
)
def test_the_public_origin_is_spelt_as_browsers_do(public_url: str, origin: str) -> None:
    assert Settings(public_url=public_url).allowed_origins[-1] == origin


def test_names_of_keys_that_only_differ_where_an_id_ends_are_refused() -> None:
    keys = json.dumps([{"key": f"secret-{n}", "name": "n" * 60 + str(n)} for n in range(2)])
    assert "api_keys" in refusal(overrides={"api_keys": keys})
