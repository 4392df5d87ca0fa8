"""What the page about tools shows is so: its settings, its example."""

import re
import tomllib
from pathlib import Path

import pytest

from voice_server.settings import load_settings, settings_table

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/tools.md").read_text("utf-8")
EXAMPLE = ROOT / "docs/examples/dice"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_variable_on_the_page_is_a_setting() -> None:
    named = set(re.findall(r"VOICE_SERVER_[A-Z0-9_]*[A-Z0-9]", PAGE))
    assert len(named) == 3
    assert named <= {setting.variable for setting in settings_table()}


def test_the_example_is_the_one_on_the_page() -> None:
    assert blocks("python") == [(EXAMPLE / "dice.py").read_text("utf-8")]
    (door,) = [tomllib.loads(block) for block in blocks("toml") if "entry-points" in block]
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"] == door["project"]["entry-points"]


def test_the_files_on_the_page_are_taken(tmp_path: Path) -> None:
    files = [block for block in blocks("toml") if "entry-points" not in block]
    file = tmp_path / "voice.toml"
    file.write_text("\n".join(files), "utf-8")
    tools = load_settings(file).tools
    assert [one.name for one in tools.http] == ["weather"]
    assert [one.name for one in tools.mcp] == ["files", "tickets"]
    assert tools.allowed.basic == ("weather", "files_*")


def test_the_defaults_on_the_page_are_those_of_the_settings() -> None:
    defaults = {setting.name: setting.default for setting in settings_table()}
    assert (defaults["deadlines.tool_s"], defaults["tools.bridge_ms"]) == (30, 1500)
    assert defaults["tools.output_bytes"] == 16 * 1024
    assert "`deadlines.tool_s` (30 s)" in PAGE and "`tools.bridge_ms` (1.5 s" in PAGE
    assert "`tools.output_bytes` (16 KiB)" in PAGE
