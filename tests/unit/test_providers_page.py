"""What the page about providers shows is so: its settings, its extras, its example."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from voice_server.errors import ProviderError
from voice_server.providers import registry
from voice_server.providers.base import ChatMessage, LanguageModel, ReplyRequest, TextDelta
from voice_server.settings import load_settings, settings_table

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/providers.md").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_variable_on_the_page_is_a_setting() -> None:
    named = set(re.findall(r"VOICE_SERVER_[A-Z0-9_]*[A-Z0-9]", PAGE))
    assert len(named) > 5
    assert named <= {setting.variable for setting in settings_table()}


def test_the_table_says_who_offers_what_and_by_which_extra() -> None:
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in PAGE.splitlines()]
    offered = {
        row[0].split("`")[0]: row
        for row in rows
        if len(row) == 5 and row[-1] in PROJECT["optional-dependencies"]
    }
    for place, role in enumerate(("stt", "llm", "tts"), 1):
        told = {name for name, row in offered.items() if row[place]}
        assert told == set(PROJECT["entry-points"][f"voice_server.{role}"])
    assert {name: row[-1] for name, row in offered.items()} == {name: name for name in offered}


def test_developers_have_every_vendor_s_library() -> None:
    extras = PROJECT["optional-dependencies"]
    included = [one.partition("[")[2] for one in extras["dev"] if one.startswith("voice-server[")]
    assert set(re.findall(r"\w+", " ".join(included))) == set(extras) - {"local", "dev"}


def test_the_files_on_the_page_are_taken(tmp_path: Path) -> None:
    files = [block for block in blocks("toml") if "[vendors." in block]
    assert len(files) == 2
    for text in files:
        file = tmp_path / "voice.toml"
        file.write_text(text, "utf-8")
        assert load_settings(file).llm[0] == "openai"


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    """The example, installed as its `pyproject.toml` says, and loaded as the server does."""
    (code,) = blocks("python")
    assert len(code.splitlines()) <= 40
    assert code == (ROOT / "docs/examples/parrot/parrot.py").read_text("utf-8")
    (tmp_path / "parrot.py").write_text(code, "utf-8")
    (door,) = [block for block in blocks("toml") if "entry-points" in block]
    found = tmp_path / "parrot-1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n", "utf-8")
    groups = tomllib.loads(door)["project"]["entry-points"].items()
    (found / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups
        ),
        "utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    return registry.load("llm", "parrot", {"language": "en-US"})


async def test_the_example_is_a_language_model(parrot: LanguageModel) -> None:
    assert "parrot" in registry.known("llm")
    await parrot.warm()
    request = ReplyRequest([ChatMessage("system", "Be brief."), ChatMessage("user", "Polly wants tea")])
    said = [delta async for delta in parrot.reply(request)]
    assert said == [TextDelta("Polly "), TextDelta("wants "), TextDelta("tea ")]
    with pytest.raises(ProviderError, match="heard nothing"):
        await anext(parrot.reply(ReplyRequest([])))
    await parrot.close()
