"""Kinds of fields that several resources take: bounded, and without what a database cannot hold."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, StringConstraints

NO_NUL = r"^[^\x00]*$"
MOST_DETAILS_BYTES = 16 << 10
MOST_DETAILS_DEPTH = 16


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    if any("\x00" in text for text in _texts(details, MOST_DETAILS_DEPTH)):
        raise ValueError("the character NUL is not taken")
    if len(json.dumps(details, ensure_ascii=False, allow_nan=False).encode()) > MOST_DETAILS_BYTES:
        raise ValueError(f"larger than {MOST_DETAILS_BYTES} bytes")
    return details


def _texts(value: object, deepest: int) -> Iterator[str]:
    """Every key and text within."""
    if deepest == 0:
        raise ValueError(f"nested deeper than {MOST_DETAILS_DEPTH} levels")
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from _texts(inner, deepest - 1)
        case list():
            for inner in value:
                yield from _texts(inner, deepest - 1)


Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=NO_NUL)]
LongText = Annotated[str, StringConstraints(max_length=500_000, pattern=NO_NUL)]
Details = Annotated[dict[str, Any], AfterValidator(_plain)]
Variables = Annotated[dict[Name, LongText], AfterValidator(_plain)]

PathId = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_NUL)]
PathName = Annotated[str, Path(min_length=1, max_length=200, pattern=NO_NUL)]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]
UserId = Annotated[str | None, Query(min_length=1, max_length=200, pattern=NO_NUL)]


class ErrorBody(BaseModel):
    """Every error of this API. `code` is stable, `error` is for people, `request_id` is in our log."""

    error: str
    code: str
    request_id: str


def moment(milliseconds: int) -> str:
    """ISO 8601 in UTC."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
