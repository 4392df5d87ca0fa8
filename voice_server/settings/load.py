"""From the sources to `Settings`, or to a sentence that says what to change, and where.

Later sources win: `config/default.toml`, the file given with `--config`, the environment, the command line.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from voice_server.errors import ConfigurationError
from voice_server.settings.describe import Setting, settings_table, without_passwords
from voice_server.settings.model import Settings

_PACKAGE = Path(__file__).resolve().parents[1]


def load_settings(config_file: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Read every source.

    Args:
        config_file: A TOML file (`--config`).
        overrides: What the command line said, by the settings' names (`limits.init_s` for one in a table);
            None means not said.

    Raises:
        ConfigurationError: a source cannot be read, names a setting that does not exist, or gives one a value
            that it does not take. One line for each; no key is in it.
    """
    known = {setting.name: setting for setting in settings_table()}
    layers: list[tuple[str, Mapping[str, Any]]] = [("default", _read_toml(packaged_file("default.toml")))]
    if config_file is not None:
        layers.append((str(config_file), _read_toml(config_file)))
    layers.append(("the environment", _read_environment()))
    layers.append(("the command line", {k: v for k, v in (overrides or {}).items() if v is not None}))

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    wrong: list[str] = []
    for source, layer in layers:
        for name, value in _leaves(layer):
            if name not in known:
                wrong.append(_unknown(name, source, known))
                continue
            values[name] = value
            sources[name] = known[name].variable if source == "the environment" else source
    if not wrong:
        try:
            settings = Settings.model_validate(_nested(values))
        except ValidationError as error:
            wrong = [_sentence(detail, known, sources) for detail in error.errors()]
    if wrong:
        raise ConfigurationError("\n".join(dict.fromkeys(wrong)))
    settings._sources.update(sources)
    return settings


def unknown_variables() -> list[str]:
    """One sentence for each `VOICE_SERVER_*` variable that sets nothing.

    A warning, not an error: container platforms put variables of their own beside ours.
    """
    known = {setting.name: setting for setting in settings_table()}
    variables = {setting.variable for setting in known.values()} | set(_table_variables())
    return [
        f"The environment variable {name} sets nothing. "
        f"Did you mean {_nearest(_name_of(name), known).variable}?"
        for name in sorted(os.environ)
        if name.startswith("VOICE_SERVER_") and name.upper() not in variables
    ]


def _table_variables() -> list[str]:
    """Those that may hold a whole table as JSON, or a table within one."""
    parents = {setting.variable.rpartition("__")[0] for setting in settings_table()}
    return sorted(parent for parent in parents if parent)


def _name_of(variable: str) -> str:
    """The setting's name, were there such a setting."""
    return variable.removeprefix("VOICE_SERVER_").lower().replace("__", ".")


def packaged_file(name: str) -> Path:
    """A file of `config/`: inside the installed package, beside the package in a checkout."""
    for folder in (_PACKAGE, _PACKAGE.parent):
        if (file := folder / "config" / name).is_file():
            return file
    raise ConfigurationError(
        f"config/{name} is missing from the installation. Install voice-server again, or restore it."
    )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"The configuration file {file} cannot be read: {error.strerror}."
        ) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigurationError(f"The configuration file {file} is not valid TOML: {error}.") from error


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        tables = ", ".join(one for one in _table_variables() if "__" not in one)
        raise ConfigurationError(
            f"A variable of a whole table ({tables}) is not a JSON object. Set its settings one by one "
            "instead, such as VOICE_SERVER_LIMITS__INIT_S=5."
        ) from error


def _leaves(layer: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in layer.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *tables, last = name.split(".")
        branch = tree
        for table in tables:
            branch = branch.setdefault(table, {})
        branch[last] = value
    return tree


def _unknown(name: str, source: str, known: Mapping[str, Setting]) -> str:
    if any(other.startswith(f"{name}.") for other in known):
        return (
            f"{name} (from {source}) is a table of settings, not a value. Write [{name}] above its settings."
        )
    nearest = _nearest(name, known)
    meant = nearest.variable if source == "the environment" else nearest.name
    return f"There is no setting {name} (from {source}). Did you mean {meant}?"


def _nearest(name: str, known: Mapping[str, Setting]) -> Setting:
    """The setting of the likest name. The last part counts twice: a wrong table is a common slip."""

    def likeness(other: str) -> float:
        parts = name.rpartition(".")[2], other.rpartition(".")[2]
        return SequenceMatcher(None, name, other).ratio() + SequenceMatcher(None, *parts).ratio()

    return known[max(known, key=likeness)]


def _sentence(detail: ErrorDetails, known: Mapping[str, Setting], sources: Mapping[str, str]) -> str:
    """What is wrong with one setting. The value is shown, unless a key may be in it."""
    path = [str(part) for part in detail["loc"]]
    name = next((n for end in range(len(path), 0, -1) if (n := ".".join(path[:end])) in known), None)
    reason = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
    if name is None:  # settings that do not go together
        return f"The settings do not agree: {reason}."
    within = path[name.count(".") + 1 :]
    where = f"{name} (from {sources.get(name, 'default')})"
    setting = known[name]
    if setting.has_entries and within:
        entry = f", entry {int(within[0]) + 1}" if within and within[0].isdigit() else ""
        part = f" at {within[1]}" if len(within) > 1 else ""
        return f"{where}{entry} is not right{part}: {reason}."
    if setting.is_secret:
        return f"{where} is not {setting.allowed}: {reason}."
    given = without_passwords(repr(detail["input"]))
    return f"{where} is {given}, which it does not take: {reason}. It takes {setting.allowed}."
