"""Where the weights of the offline models are, and how they get there.

A model is a folder under `root`, named as in the manifest. A file gets its name by one atomic rename, after
its SHA-256 was right, so what has its name and its size is good until somebody damages it.
"""

import errno
import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voice_server.errors import ModelFileError
from voice_server.providers.local.fetch import sha256_of
from voice_server.providers.local.manifest import Manifest, Model, ModelFile, shipped_manifest
from voice_server.providers.local.pull import Pull, PullProgress, is_whole


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of the manifest, and whether its files are here (by size; `verify` reads them)."""

    model: Model
    present: bool


def default_root() -> Path:
    """Where weights are kept unless the settings name another folder."""
    return Path.home() / ".cache" / "voice_server" / "models"


class WeightStore:
    """The weights on this machine. Its methods block: call them from a worker thread."""

    def __init__(self, root: Path | None = None, manifest: Manifest | None = None) -> None:
        self.root = root if root is not None else default_root()
        self._manifest = manifest if manifest is not None else shipped_manifest()

    def list(self) -> tuple[ModelStatus, ...]:
        """Every model there is, in the manifest's order."""
        return tuple(ModelStatus(model, not self._missing(model)) for model in self._manifest.values())

    def path(self, name: str) -> Path:
        """What a loader is given: the model's main file, or its folder (`opens` in the manifest).

        Raises:
            ModelFileError: unknown name, a file is missing or of the wrong size.
        """
        model = self._model(name)
        if missing := self._missing(model):
            raise ModelFileError(
                f"the model {name} is not on this machine ({missing[0].name} is missing or cut short in "
                f"{self._folder(model)}); run `voice-server models pull {name}`."
            )
        return self._folder(model) / model.opens

    def verify(self, name: str) -> None:
        """Read every file of a model and compare its SHA-256.

        Raises:
            ModelFileError: as `path`, or a file is damaged.
        """
        model = self._model(name)
        self.path(name)
        for file in model.files:
            path = self._folder(model) / file.name
            if sha256_of(path) != file.sha256:
                raise ModelFileError(
                    f"{path} is damaged (its SHA-256 is not the published one); "
                    f"delete it and run `voice-server models pull {name}`."
                )

    def pull(self, names: Iterable[str], progress: Callable[[PullProgress], None] = lambda _: None) -> None:
        """Bring the named models here. What is here stays; an interrupted pull goes on where it stopped.

        Two processes may pull at once: the second waits for the first.

        Raises:
            ModelFileError: unknown name, no room, or no source could give a file.
        """
        models = [self._model(name) for name in dict.fromkeys(names)]
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._lock():
                Pull(self.root, models, progress).run()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ModelFileError(
                    f"the disk under {self.root} is full; free some space and run the command again, "
                    "what has been fetched is kept."
                ) from error
            raise ModelFileError(
                f"the models cannot be written to {self.root} ({error.strerror}); "
                "make the folder writable or set another one."
            ) from error

    def _model(self, name: str) -> Model:
        try:
            return self._manifest[name]
        except KeyError:
            known = ", ".join(self._manifest)
            raise ModelFileError(f"there is no model {name!r}; known are {known}.") from None

    def _folder(self, model: Model) -> Path:
        return self.root / model.name

    def _missing(self, model: Model) -> tuple[ModelFile, ...]:
        return tuple(file for file in model.files if not is_whole(self._folder(model) / file.name, file))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # freed by the system even if we are killed
            yield
