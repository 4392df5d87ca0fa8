"""What a test needs of the machine, and the machine has not."""

import os
from typing import NoReturn

import pytest


def lacking(remedy: str) -> NoReturn:
    """Skip the test, saying what to install. Where `CI` is set everything has to be there: it fails."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(remedy)
