"""The page that client authors read names what the code takes and sends, and nothing else."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from voice_server.client.frames import FRAME_CLASSES, Cost
from voice_server.dialects.native import FrameLimits, frames
from voice_server.dialects.native.faults import KNOWN_TYPES

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
CLIENT_CLASSES: dict[str, type[msgspec.Struct]] = {
    str(frame.__struct_config__.tag): frame for frame in get_args(frames.ClientFrame)
}


def chapter(title: str) -> str:
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, title
    return match[1]


def sections(title: str) -> dict[str, str]:
    parts = re.split(r"^### `(\w+)`\n", chapter(title), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


CLIENT_SECTIONS = sections("Client frames")
SERVER_SECTIONS = sections("Server frames")


def test_the_page_and_the_code_have_the_same_client_frames() -> None:
    assert set(CLIENT_SECTIONS) == set(CLIENT_CLASSES) == set(KNOWN_TYPES)


def test_the_page_and_the_code_have_the_same_server_frames() -> None:
    assert set(SERVER_SECTIONS) == set(FRAME_CLASSES)


def unnamed(kind: type[msgspec.Struct], text: str) -> set[str]:
    return {name for name in kind.__struct_fields__ if f"`{name}`" not in text}


@pytest.mark.parametrize("frame_type", sorted(CLIENT_CLASSES))
def test_every_field_a_client_may_send_is_named(frame_type: str) -> None:
    assert unnamed(CLIENT_CLASSES[frame_type], CLIENT_SECTIONS[frame_type]) == set()


@pytest.mark.parametrize("frame_type", sorted(FRAME_CLASSES))
def test_every_field_the_server_sends_is_named(frame_type: str) -> None:
    assert unnamed(FRAME_CLASSES[frame_type], SERVER_SECTIONS[frame_type]) - {"seq"} == set()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (frames.InputAudio, chapter("Audio")),
        (frames.OutputAudio, chapter("Audio")),
        (frames.TurnDetection, chapter("Turns")),
        (frames.Template, CLIENT_SECTIONS["init"]),
        (frames.Function, CLIENT_SECTIONS["init"]),
        (frames.ResumeWish, CLIENT_SECTIONS["init"]),
        (frames.MessageOptions, CLIENT_SECTIONS["message"]),
        (Cost, SERVER_SECTIONS["metrics"]),
    ],
)
def test_every_field_of_an_inner_object_is_named(kind: type[msgspec.Struct], text: str) -> None:
    assert unnamed(kind, text) == set()


def required(kind: Any) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind) if field.required}


@pytest.mark.parametrize("frame_type", sorted(CLIENT_CLASSES))
def test_what_is_bold_is_required(frame_type: str) -> None:
    inner = {"name", "session_id", "token", "last_seq"} if frame_type == "init" else set()
    assert set(re.findall(r"\*\*`(\w+)`\*\*", CLIENT_SECTIONS[frame_type])) == (
        required(CLIENT_CLASSES[frame_type]) | inner
    )


def test_the_limits_are_those_of_the_code() -> None:
    limits = FrameLimits()
    rows = dict(re.findall(r"^\| (.*?) \| (\d+ [KM]iB) \|$", chapter("Messages"), re.MULTILINE))
    assert rows["an `audio` frame (a whole recording)"] == f"{limits.clip_bytes >> 20} MiB"
    assert rows["a binary message, or an `audio_chunk` frame"] == f"{limits.chunk_bytes >> 10} KiB"
    assert rows["any other frame"] == f"{limits.control_bytes >> 10} KiB"


def test_every_refusal_of_the_codec_is_listed() -> None:
    source = Path(frames.__file__).parent
    codes = {code for file in source.glob("*.py") for code in re.findall(r'code="(\w+)"', file.read_text())}
    assert len(codes) == 7
    assert {code for code in codes if f"| `{code}` |" not in chapter("Errors and limits")} == set()


def test_every_code_that_an_error_can_have_is_explained() -> None:
    package = Path(__file__).parents[3] / "voice_server"
    sources = "".join(path.read_text() for path in package.rglob("*.py") if "rest" not in path.parts)
    codes = set(re.findall(r'code(?:: str)? ?= ?"([a-z_]+)"', sources))
    codes |= set(re.findall(r'ErrorOut\("([a-z_]+)"', sources))
    only_bases = {"bad_frame", "limit", "not_found"}  # whoever raises these gives a code of its own
    explained = chapter("Errors and limits") + (package.parent / "docs/rest.md").read_text("utf-8")
    unexplained = {code for code in codes - only_bases if f"`{code}`" not in explained}
    assert unexplained == set()
