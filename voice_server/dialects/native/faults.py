"""What is wrong with a frame, said so that its sender can mend it.

The sentences name fields and kinds, never values: an error may be logged, a transcript may not.
"""

import difflib
import re
from typing import get_args

import msgspec

from voice_server.core.wire import TurnMode
from voice_server.dialects.native.frames import ClientFrame
from voice_server.errors import ProtocolError

KNOWN_TYPES: tuple[str, ...] = tuple(
    sorted(str(frame.__struct_config__.tag) for frame in get_args(ClientFrame))
)

_LONGEST_TYPE_SHOWN = 40
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_EXPECTED = re.compile(r"Expected (?P<expected>.*?)(?:, got `(?P<got>\w+)`)?$")
_JSON_NAMES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "object": "object",
    "array": "array",
    "null": "null",
}
_ALLOWED: dict[str, tuple[str, ...]] = {
    "turn_detection.mode": tuple(TurnMode),
    "output_audio.transport": ("json", "binary"),
    "modalities[]": ("text", "audio"),
}


class _Tag(msgspec.Struct):
    type: str


_TAGS = msgspec.json.Decoder(_Tag)


def peek_type(message: str) -> str | None:
    """The frame's type, or None where there is none to read."""
    try:
        return _TAGS.decode(message).type
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def bad_json(why: str) -> ProtocolError:
    """The error for text that is no JSON object."""
    return ProtocolError(
        f"The message is {why}. A text message is one JSON object with a `type`; audio without JSON is a "
        "binary message.",
        code="bad_json",
    )


def bad_field(path: str, why: str) -> ProtocolError:
    """The error for a field whose value cannot be used; `why` follows its name."""
    return ProtocolError(f"Field `{path}` {why}.", code="bad_field")


def missing_field(path: str) -> ProtocolError:
    """The error for a field that must be there."""
    return ProtocolError(f"Field `{path}` is missing.", code="missing_field")


def explain(error: Exception, message: str) -> ProtocolError:
    """Turn what the JSON library says about `message` into an error of ours."""
    match error:
        case msgspec.ValidationError():
            return _explain_validation(str(error), message)
        case RecursionError():
            return bad_json("nested too deeply")
        case UnicodeError():
            return bad_json("not valid Unicode text")
        case _:
            return bad_json("not valid JSON")


def _explain_validation(text: str, message: str) -> ProtocolError:
    place = _PLACE.search(text)
    path = place["path"] if place else ""
    what = text[: place.start()] if place else text
    if path == "type":
        return _wrong_type(message)
    if missing := _MISSING.fullmatch(what):
        return missing_field(f"{path}.{missing['name']}" if path else missing["name"])
    allowed = _ALLOWED.get(re.sub(r"\[\d+\]", "[]", path))
    if allowed is not None:
        return bad_field(path, "must be one of " + ", ".join(f'"{value}"' for value in allowed))
    expected = _EXPECTED.fullmatch(what)
    if expected is None:
        return bad_field(path or "type", "holds a value that cannot be read: " + what.lower())
    if not path:
        return bad_json(f"not a JSON object but {_json_name(expected['got'] or 'something else')}")
    if expected["got"] == "null":
        return missing_field(path)  # null means absent
    got = f", but is {_json_name(expected['got'])}" if expected["got"] else ""
    kinds = re.sub(r"`([^`]*)`", lambda kinds: _json_names(kinds[1]), expected["expected"])
    return bad_field(path, f"must be {kinds}{got}")


def _wrong_type(message: str) -> ProtocolError:
    name = peek_type(message)
    if name is None:
        return bad_field("type", "must be a string")
    shown = name if len(name) <= _LONGEST_TYPE_SHOWN else name[:_LONGEST_TYPE_SHOWN] + "…"
    near = difflib.get_close_matches(name[:_LONGEST_TYPE_SHOWN], KNOWN_TYPES, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else "Known types: " + ", ".join(KNOWN_TYPES) + "."
    return ProtocolError(f"There is no frame of type {shown!r}. {hint}", code="unknown_type")


def _json_names(kinds: str) -> str:
    return " or ".join(_json_name(kind) for kind in kinds.split(" | "))


def _json_name(kind: str) -> str:
    return _JSON_NAMES.get(kind, kind)
