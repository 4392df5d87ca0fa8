"""Kinds of values that several settings take."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode


def from_text(value: object) -> object:
    """The environment can only write text: a list is JSON, or words between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)  # its error is a ValueError, so pydantic reports it
    return [word.strip() for word in value.split(",") if word.strip()]


def empty_is_none(value: object) -> object:
    """Neither TOML nor the environment can write None."""
    return None if value == "" else value


def _expand_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("no home folder is known for ~; write the whole path") from error


Folder = Annotated[Path, AfterValidator(_expand_home)]
OptionalFile = Annotated[Folder | None, BeforeValidator(empty_is_none)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(from_text)]
