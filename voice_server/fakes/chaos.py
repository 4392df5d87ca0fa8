"""Trouble by order: `tts-drop` or `google-305` become fakes that fail so, and the settings that use them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from voice_server.errors import ConfigurationError
from voice_server.fakes.script import Fault, Script
from voice_server.fakes.shelf import SHELF, settings_for

STAGES = {"stt": "elevenlabs", "llm": "anthropic", "tts": "openai"}
"""Whose fake fails where only a stage is named: one vendor each, so that no trouble is another's too."""

TROUBLES = {
    "401": Fault.REJECTED_KEY,
    "429": Fault.RATE_LIMITED,
    "500": Fault.BROKEN,
    "drop": Fault.DROP,
    "garbage": Fault.GARBAGE,
    "hang": Fault.HANG,
    "refused": Fault.REFUSED,
    "silent": Fault.STALL,
    "none": None,
}
NOBODY = "127.0.0.1:9"
"""The port "discard", at which nobody listens."""
LIMIT = "305"
LIMIT_MS, ROTATION_S = 15_000.0, 10.0
"""Google ends a call of recognition after 305 s; its fake does after these, so that nobody has to wait."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One vendor's, in the stages in which it comes first."""

    vendor: str
    stages: tuple[str, ...]
    fault: Fault | None
    has_limit: bool = False


def read_chaos(text: str) -> list[Trouble]:
    """What is meant by `google-305,tts-drop`.

    Raises:
        ConfigurationError: no such stage, vendor or trouble, or two for one vendor.
    """
    troubles: dict[str, Trouble] = {}
    for wish in filter(None, (part.strip() for part in text.split(","))):
        who, _, what = wish.rpartition("-")
        vendor = STAGES.get(who, who)
        has_limit = (vendor, what) == ("google", LIMIT)
        if vendor not in SHELF or not (has_limit or what in TROUBLES):
            raise ConfigurationError(
                f"There is no trouble {wish!r}. It is a stage ({', '.join(STAGES)}) or a vendor "
                f"({', '.join(SHELF)}), a hyphen, and one of {', '.join(TROUBLES)}; or google-{LIMIT}."
            )
        if vendor in troubles:
            raise ConfigurationError(f"{wish!r} would be a second trouble of {vendor}; name another vendor.")
        stages = (who,) if who in STAGES else SHELF[vendor].stages
        troubles[vendor] = Trouble(vendor, stages, TROUBLES.get(what), has_limit)
    return list(troubles.values())


@asynccontextmanager
async def raging(
    troubles: Sequence[Trouble], chains: Mapping[str, Sequence[str]]
) -> AsyncIterator[dict[str, Any]]:
    """The fakes running inside; gives the settings by which they come first, and `chains` behind them."""
    settings: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        for trouble in troubles:
            address = NOBODY
            if trouble.fault is not Fault.REFUSED:
                habits = {"longest_call_ms": LIMIT_MS} if trouble.has_limit else {}
                script = Script(fault=trouble.fault)
                fake = await stack.enter_async_context(SHELF[trouble.vendor].open(script, **habits))
                address = fake.address
            settings |= settings_for(trouble.vendor, address)
            if trouble.has_limit:
                settings["vendors.google.stt_rotate_after_s"] = ROTATION_S
            for stage in trouble.stages:
                before = settings.get(stage, chains[stage])
                settings[stage] = [trouble.vendor, *(one for one in before if one != trouble.vendor)]
        yield settings
