"""Settings, told to people: their names, what they allow, where a value came from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from voice_server.settings.model import ApiKey, Settings

_PASSWORD = re.compile(r"(?<=://)([^:@/\s]*):[^@\s]+(?=@)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `name` has dots (`limits.init_s`); `default` is as a TOML file would hold it.

    `is_secret`: its value must never be shown. `has_entries`: it is a list of tables, which may hold keys.
    """

    name: str
    default: object
    allowed: str
    description: str
    is_secret: bool = False
    has_entries: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "VOICE_SERVER_" + self.name.replace(".", "__").upper()


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting in force, fit to be shown: keys are hidden. `source` is where it was set."""

    name: str
    value: str
    source: str


def without_passwords(text: str) -> str:
    """The text, with no password in the addresses that are in it."""
    return _PASSWORD.sub(r"\1:hidden", text)


def settings_table() -> list[Setting]:
    """Every setting, plain ones first, then table by table, in the order of the model."""
    return list(_settings_of(Settings, ""))


def explain(settings: Settings) -> list[Explained]:
    """Every setting in force and where it came from. No API key is in it."""
    return [
        Explained(
            setting.name,
            _shown(setting.name, _value_of(settings, setting.name)),
            settings._sources.get(setting.name, "default"),
        )
        for setting in settings_table()
    ]


def _settings_of(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    tables: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables.append((f"{prefix}{name}.", field.annotation))
        else:
            description = " ".join((field.description or "").split())
            has_entries = _entry_of(field) is not None
            is_secret = field.annotation is SecretStr or has_entries
            yield Setting(
                prefix + name, _plain(field.default), _allowed(field), description, is_secret, has_entries
            )
    for table_prefix, table in tables:  # in TOML a plain name must stand before the first table
        yield from _settings_of(table, table_prefix)


def _entry_of(field: FieldInfo) -> type[BaseModel] | None:
    """The kind of table that a list holds, where it holds tables."""
    if get_origin(field.annotation) is not tuple:
        return None
    kind = get_args(field.annotation)[0]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _plain(value: object) -> object:
    """The value as TOML would hold it, but for a key."""
    match value:
        case None:
            return ""
        case SecretStr():
            return "hidden" if value else ""
        case Path():
            return value.as_posix()
        case tuple():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _allowed(field: FieldInfo) -> str:
    """What a setting takes, in words."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not NoneType)
        if get_origin(annotation) is Annotated:  # Annotated[Path, …] | None
            annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(get_args(annotation))
    if get_origin(annotation) is tuple:
        entry = _entry_of(field)
        return "a list" if entry is None else "a list of keys" if entry is ApiKey else "a list of tables"
    if annotation is bool:
        return "true or false"
    if annotation is SecretStr:
        return "a key"
    if annotation is Path:
        return "a path"
    if annotation is str:
        return "text"
    return ("a whole number" if annotation is int else "a number") + _range(field.metadata)


def _range(metadata: list[Any]) -> str:
    words = []
    for bound in metadata:
        match bound:
            case Ge(ge=low):
                words.append(f"from {low}")
            case Gt(gt=low):
                words.append(f"above {low}")
            case Le(le=high):
                words.append(f"to {high}")
            case Lt(lt=high):
                words.append(f"below {high}")
    return " " + " ".join(words) if words else ""


def _value_of(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _shown(name: str, value: object) -> str:
    if name == "api_keys" and isinstance(value, tuple):
        return ", ".join(f"{key.name} ({key.tier}, hidden)" for key in value) or "none"
    match _plain(value):
        case [BaseModel(), *_] as entries:
            return ", ".join(str(getattr(entry, "name", "unnamed")) for entry in entries)
        case True | False as flag:
            return str(flag).lower()
        case list() as items:
            return ", ".join(str(item) for item in items) or "none"
        case "":
            return "none"
        case plain:
            return without_passwords(str(plain))
