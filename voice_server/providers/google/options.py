"""What the operator says about Google, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from voice_server.errors import ConfigurationError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True, slots=True)
class GoogleOptions:
    """One of `api_key`, `credentials_file` (of a service account) and `application_default` is needed.

    `base_url` replaces Google's own address; `http://` speaks without TLS. `region` is `global` or a location
    such as `eu`. Version `v2` of speech recognition needs a `project` and no API key.
    """

    api_key: str | None = None
    credentials_file: str | None = None
    application_default: bool = False
    base_url: str | None = None
    region: str = "global"
    project: str | None = None
    version: Literal["v1", "v2"] = "v1"
    model: str | None = None
    voice: str | None = None
    language: str = "en-US"
    streaming: bool = True
    rotate_after_s: float = 240.0

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Take what is ours out of a factory's options.

        Raises:
            ConfigurationError: nothing to authenticate with, or fields that do not agree.
        """
        if (version := options.get("version", "v1")) not in ("v1", "v2"):
            raise ConfigurationError(
                f"Google has no speech recognition {version!r}; set "
                "VOICE_SERVER_VENDORS__GOOGLE__VERSION to v1 or v2."
            )
        found = cls(**{name: options[name] for name in cls.__slots__ if options.get(name) is not None})
        if not (found.api_key or found.credentials_file or found.application_default):
            raise ConfigurationError(
                "Google needs a key: set VOICE_SERVER_VENDORS__GOOGLE__API_KEY, or the path of a service "
                "account's JSON file in VOICE_SERVER_VENDORS__GOOGLE__CREDENTIALS_FILE, or "
                "VOICE_SERVER_VENDORS__GOOGLE__APPLICATION_DEFAULT=true."
            )
        if found.credentials_file and not Path(found.credentials_file).is_file():
            raise ConfigurationError(
                f"VOICE_SERVER_VENDORS__GOOGLE__CREDENTIALS_FILE is {found.credentials_file}: there is no "
                "such file."
            )
        if found.version == "v2" and not found.project:
            raise ConfigurationError(
                "Google's speech recognition v2 belongs to a project: set "
                "VOICE_SERVER_VENDORS__GOOGLE__PROJECT, or use version v1."
            )
        return found
