"""Installs the example packages of the documents, as anybody would, into a folder of their own."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "docs/examples"


def install(name: str, folder: Path) -> Path:
    """Install an example with pip, without the network; gives the folder to import it from."""
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder)]
    done = subprocess.run([*command, str(EXAMPLES / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder
