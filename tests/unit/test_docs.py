"""What the documents and packaging promise is so."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from voice_server.settings import settings_table

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/generate_docs.py"), "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def leaves(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def instructions(name: str) -> list[str]:
    """The arguments of every instruction `name` of the Dockerfile, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def test_the_generated_documents_are_in_step() -> None:
    result = generate(ROOT, "--check")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["config/default.toml", "docs/settings.md"])
def test_a_document_out_of_step_is_named_and_mended(name: str, tmp_path: Path) -> None:
    for document in ("config/default.toml", "docs/settings.md"):
        (tmp_path / document).parent.mkdir()
        shutil.copy(ROOT / document, tmp_path / document)
    (tmp_path / name).write_text("something else", "utf-8")
    result = generate(tmp_path, "--check")
    assert result.returncode == 1
    assert name in result.stdout
    assert (tmp_path / name).read_text("utf-8") == "something else"
    generate(tmp_path)
    assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_default_file_holds_every_setting_with_its_default() -> None:
    text = (ROOT / "config/default.toml").read_text("utf-8")
    assert dict(leaves(tomllib.loads(text))) == {s.name: s.default for s in settings_table()}


def test_every_setting_in_the_default_file_has_a_comment() -> None:
    lines = (ROOT / "config/default.toml").read_text("utf-8").splitlines()
    before = [above for above, line in zip(lines, lines[1:], strict=False) if re.match(r"\w+ = ", line)]
    assert len(before) == len(settings_table())
    assert [above for above in before if not above.startswith("# ")] == []


def test_every_setting_is_described() -> None:
    assert [s.name for s in settings_table() if not re.fullmatch(r"[A-Z`].*\.", s.description)] == []


def prose(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_or_chapter_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)]+)\)", prose(page)):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_a_page_names_is_a_setting(page: Path) -> None:
    known = {setting.variable for setting in settings_table()}
    named = re.findall(r"VOICE_SERVER_[A-Z0-9_]*[A-Z0-9]", page.read_text("utf-8"))
    assert set(named) <= known


def test_the_image_runs_without_privileges() -> None:
    assert instructions("USER")[-1] not in ("root", "0")


def test_the_image_keeps_data_and_models_in_volumes() -> None:
    kept = instructions("VOLUME")[0]
    environment = " ".join(instructions("ENV"))
    for name in ("DATA_DIR", "MODELS_DIR"):
        folder = re.search(rf"VOICE_SERVER_{name}=(\S+)", environment)
        assert folder is not None
        assert f'"{folder[1]}"' in kept


def test_the_image_is_healthy_when_the_server_says_so() -> None:
    (check,) = instructions("HEALTHCHECK")
    assert "/api/health" in check
    assert '"python"' in check


def test_the_image_serves_its_two_ports_by_default() -> None:
    ports = {str(s.default) for s in settings_table() if s.name in ("port", "rest_port")}
    assert set(instructions("EXPOSE")[0].split()) == ports
    assert '"serve", "--host", "0.0.0.0"' in instructions("CMD")[-1]


def test_everything_the_image_copies_is_here_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    sources = [source for line in instructions("COPY") for source in line.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source.rstrip("/") not in ignored


@pytest.mark.parametrize("name", ["serve", "test", "check", "docs", "bench"])
def test_a_script_can_be_run(name: str) -> None:
    script = ROOT / "scripts" / name
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
