"""The commands, as far as they need neither a server nor models."""

import io
import json
import wave
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from voice_server import __version__
from voice_server.audio.wav import write_wav
from voice_server.cli import commands, config, models, shared
from voice_server.providers.local.manifest import Model
from voice_server.providers.local.pull import PullProgress
from voice_server.settings import load_settings

pytestmark = pytest.mark.unit

FRANCE = Path(__file__).parents[1] / "data/france.wav"
run = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What `voice-server` says on standard error as it ends with a code that is not 0."""
    monkeypatch.setattr("sys.argv", ["voice-server", *arguments])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code not in (0, None)
    said = capsys.readouterr()
    assert said.out == ""
    return str(ended.value.code) if isinstance(ended.value.code, str) else said.err


@pytest.mark.parametrize(
    ("command", "example"),
    [
        (["serve"], "voice-server serve --llm-model smollm2"),
        (["call"], "voice-server call question.wav --out reply.wav"),
        (["chat"], "voice-server chat"),
        (["transcribe"], "voice-server transcribe question.wav"),
        (["say"], 'voice-server say "Dinner is ready."'),
        (["models", "pull"], "voice-server models pull smollm2"),
        (["config", "check"], "voice-server config check --config voice.toml"),
    ],
)
def test_help_shows_an_example(command: list[str], example: str) -> None:
    shown = run.invoke(commands.cli, [*command, "--help"])
    assert shown.exit_code == 0
    assert example in shown.stdout


def test_version() -> None:
    assert run.invoke(commands.cli, ["--version"]).stdout == f"voice-server {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["call", "no-such.wav"], "no-such.wav cannot be read"),
        (["transcribe", "no-such.wav"], "no-such.wav cannot be read"),
        (["say", "Hi", "--out", "no/such/folder.wav"], "name a file in a folder that exists"),
        (["models", "pull", "no-such"], "known are whisper-tiny-en"),
        (["config", "check", "--config", "no-such.toml"], "no-such.toml cannot be read"),
        (["call", __file__], "send a whole WAV"),
        (["transcribe", str(FRANCE)], "models pull whisper-tiny-en"),
        (["chat", "--url", "http://localhost:6789"], "one begins with ws:// or wss://"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_a_remedy(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOICE_SERVER_MODELS_DIR", str(tmp_path))
    said = fails(capsys, monkeypatch, *arguments)
    assert said.startswith("voice-server: ")
    assert sentence in said


def test_a_server_that_is_not_there_is_named_with_the_way_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tmp_path / "tone.wav"
    write_wav(recording, bytes(3200), 16_000)
    said = fails(capsys, monkeypatch, "call", str(recording), "--url", "ws://127.0.0.1:1")
    assert "ws://127.0.0.1:1" in said
    assert "voice-server serve" in said


def test_a_recording_of_any_rate_is_read_for_the_ears(tmp_path: Path) -> None:
    recording = tmp_path / "stereo.wav"
    with wave.open(str(recording), "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(44_100)
        writer.writeframes(bytes(range(256)) * 4 * 441)
    pcm = shared.read_recording(recording)
    assert len(pcm) / 2 / 16_000 == pytest.approx(256 * 441 / 44_100, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "ws://127.0.0.1:6789"),
        ({"host": "0.0.0.0", "port": 7000}, "ws://127.0.0.1:7000"),
        ({"host": "::"}, "ws://[::1]:6789"),
        ({"tls_cert": "cert.pem", "tls_key": "key.pem"}, "wss://127.0.0.1:6789"),
    ],
)
def test_the_server_of_the_settings_is_found(settings: dict[str, object], url: str) -> None:
    assert shared.find_server(load_settings(None, settings), None, None)[0] == url


def test_our_own_key_goes_to_our_own_server_only() -> None:
    settings = load_settings(None, {"api_keys": ["our-secret"]})
    assert shared.find_server(settings, None, None)[1] == "our-secret"
    assert shared.find_server(settings, None, "another")[1] == "another"
    assert shared.find_server(settings, "wss://elsewhere.example", None)[1] is None


def test_config_check_names_sources_and_hides_keys(tmp_path: Path) -> None:
    file = tmp_path / "voice.toml"
    file.write_text('api_keys = ["our-secret"]\n')
    shown = run.invoke(
        commands.cli,
        ["config", "check", "--config", str(file)],
        env={"VOICE_SERVER_PORT": "7001", "COLUMNS": "40"},
    )
    rows = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert rows["port"].split() == ["port", "7001", "VOICE_SERVER_PORT"]
    assert rows["rest_port"].split() == ["rest_port", "8080", "default"]
    assert "hidden" in rows["api_keys"]
    assert "our-secret" not in shown.output


def test_config_check_fails_where_the_server_would(tmp_path: Path) -> None:
    shown = run.invoke(
        commands.cli,
        ["config", "check"],
        env={
            "VOICE_SERVER_HOST": "0.0.0.0",
            "VOICE_SERVER_MODELS_DIR": str(tmp_path),
            "VOICE_SERVER_RECORDING__FOLDER": "/dev/null/recordings",
            "VOICE_SERVER_PRICES_FILE": "/nonexistent/prices.toml",
            "VOICE_SERVER_REDIS_URL": "localhost:6379",
        },
    )
    assert shown.exit_code == 1
    for sentence in (
        "recording.folder is /dev/null/recordings",
        "VOICE_SERVER_API_KEYS",
        "models pull silero-vad",
        "models pull qwen-1.5b",
        "/nonexistent/prices.toml",
        "redis_url",
        "cannot start",
    ):
        assert sentence in shown.stderr


def test_a_database_is_checked_whoever_has_the_keys() -> None:
    env = {"VOICE_SERVER_DATABASE_URL": "mysql://host/voice", "VOICE_SERVER_API_KEYS": "our-secret"}
    shown = run.invoke(commands.cli, ["config", "check"], env=env)
    assert shown.exit_code == 1
    assert "database_url is for mysql" in shown.stderr


def test_what_was_said_is_printed_as_it_is() -> None:
    with shared.out.capture() as printed:
        shared.out.print("A :cat: is [b]here[/b].", markup=False)
    assert printed.get() == "A :cat: is [b]here[/b].\n"


def test_being_open_to_everybody_on_purpose_is_remarked() -> None:
    settings = load_settings(None, {"host": "0.0.0.0", "insecure": True})
    assert any("everybody who reaches 0.0.0.0" in remark for remark in config.remarks(settings))
    assert not list(config.remarks(load_settings(None)))


def test_a_language_that_nobody_serves_is_remarked() -> None:
    (remark,) = config.remarks(load_settings(None, {"language": "de-DE"}))
    assert "de-DE; served are en" in remark
    vendor = {"stt": ["openai"], "tts": ["openai"], "vendors.openai.api_key": "a key"}
    assert not list(config.remarks(load_settings(None, {"language": "de-DE", **vendor})))


def test_keys_are_listed_whole_however_narrow_the_terminal(tmp_path: Path) -> None:
    env = {"VOICE_SERVER_DATA_DIR": str(tmp_path), "COLUMNS": "40"}
    assert "keys create" in run.invoke(commands.cli, ["keys", "list"], env=env).stderr
    made = run.invoke(commands.cli, ["keys", "create", "--name", "kitchen [b]tablet"], env=env)
    listed = run.invoke(commands.cli, ["keys", "list"], env=env).stdout
    assert made.stderr.split()[1] in listed
    assert "kitchen [b]tablet" in listed
    assert "budget" not in listed, "no key has one"


def test_a_folder_that_cannot_be_made_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICE_SERVER_DATA_DIR", "/dev/null/voice")
    assert "/dev/null" in fails(capsys, monkeypatch, "keys", "list")


def test_models_are_listed_with_size_and_licence(tmp_path: Path) -> None:
    shown = run.invoke(commands.cli, ["models", "list"], env={"VOICE_SERVER_MODELS_DIR": str(tmp_path)})
    row = next(line for line in shown.stdout.splitlines() if line.startswith("qwen-1.5b"))
    assert row.split()[1:6] == ["1,065.6", "MiB", "no", "yes", "Apache-2.0"]


def test_a_pull_into_a_log_is_two_lines_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(models, "err", Console(file=written, width=200))
    new, old = (Model(name, "purpose", "MIT", ".", ()) for name in ("new", "old"))
    with models._Lines({"new": new, "old": old}) as lines:
        for done_bytes, wheel in ((0, 0), (0, 1), (3, 1), (6, 2), (10, 2)):
            lines.report(PullProgress("new", done_bytes, 10, wheel, 2))
            lines.report(PullProgress("old", 10, 10, 0, 0))
    assert written.getvalue() == "Fetching new: 0.0 MiB, MIT\nFetched new\n"


def test_a_manifest_of_the_spoken_data_names_every_recording() -> None:
    data = Path(__file__).parents[1] / "data"
    recordings = json.loads((data / "manifest.json").read_text("utf-8"))
    assert {one["file"] for one in recordings} == {file.name for file in data.glob("*.wav")}
    assert len([one for one in recordings if one["kind"] == "question"]) >= 12
    for one in recordings:
        with wave.open(str(data / one["file"])) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
            assert sound.getnframes() < 3 * 16_000


RECORDING = Path(__file__).parents[1] / "data" / "recordings" / "interruption.jsonl"


def test_a_replay_tells_what_was_decided_and_why() -> None:
    ended = run.invoke(commands.cli, ["replay", str(RECORDING)])
    assert ended.exit_code == 0
    assert 'text="What is the capital of France?" language="en"' in ended.stdout
    assert 'after="382 ms of silence (sounds_finished)"' in ended.stdout
    assert "every one is answered as it was then" in ended.stderr


def test_a_replay_that_differs_shows_the_first_difference_until_it_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_bytes(RECORDING.read_bytes().replace(b'"until_ms":8220.0', b'"until_ms":8000.0'))
    ended = run.invoke(commands.cli, ["replay", str(file)])
    assert ended.exit_code == 1
    shown = ended.stderr.splitlines()[-3:]
    assert "is answered otherwise: SpeechStopped" in shown[0]
    assert shown[1:] == ["  then: WatchSilence until_ms=8000", "  now:  WatchSilence until_ms=8220"]
    as_json = run.invoke(commands.cli, ["replay", str(file), "--json"]).stdout.splitlines()
    different = [step for line in as_json[:-1] if not (step := json.loads(line))["same"]]
    assert len(different) == 1 and different[0]["wishes_now"] != different[0]["wishes"]
    assert run.invoke(commands.cli, ["replay", str(file), "--accept"]).exit_code == 0
    assert file.read_bytes() == RECORDING.read_bytes()
    assert run.invoke(commands.cli, ["replay", str(file)]).exit_code == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read"), (b"RIFF", "not a recording"), (b'{"format":99}\n', "has the format 99")],
)
def test_what_is_no_recording_is_said_in_a_sentence(
    content: bytes | None,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "call.jsonl"
    if content is not None:
        file.write_bytes(content)
    assert sentence in fails(capsys, monkeypatch, "replay", str(file))


def test_a_recording_without_sound_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["voice-server", "replay", str(RECORDING), "--audio", str(tmp_path / "a")]
    )
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert "holds no audio" in str(ended.value.code)
