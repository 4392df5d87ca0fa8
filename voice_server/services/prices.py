"""What a provider's work costs, in USD: `config/prices.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from voice_server.core.usage import Use
from voice_server.errors import ConfigurationError


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one provider, or of its work of a `kind`, or of its models whose names begin with `model`; the
    narrowest that fits counts."""

    provider: str
    kind: Literal["", "stt", "llm", "tts", "embeddings"] = ""
    model: str = ""
    input_tokens_million: float = 0.0
    output_tokens_million: float = 0.0
    audio_minute: float = 0.0
    characters_million: float = 0.0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: list[Price]


@dataclass(frozen=True, slots=True)
class PriceList:
    """Every price that is known. What is in no list costs nothing."""

    prices: tuple[Price, ...] = ()

    def of(self, use: Use) -> float:
        """What this costs, in USD."""
        fitting = [
            one
            for one in self.prices
            if one.provider == use.provider and one.kind in ("", use.kind) and use.model.startswith(one.model)
        ]
        if not fitting:
            return 0.0
        price = max(fitting, key=lambda one: (len(one.model), one.kind != ""))
        return (
            use.input_tokens / 1e6 * price.input_tokens_million
            + use.output_tokens / 1e6 * price.output_tokens_million
            + use.audio_ms / 60_000 * price.audio_minute
            + use.characters / 1e6 * price.characters_million
        )


def load_prices(file: Path) -> PriceList:
    """The prices in a file.

    Raises:
        ConfigurationError: it cannot be read, or is no list of prices.
    """
    try:
        found = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _File)
    except OSError as error:
        raise ConfigurationError(f"The prices in {file} cannot be read: {error.strerror}.") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"The file {file} is no list of prices: {error}.") from error
    return PriceList(tuple(found.price))
