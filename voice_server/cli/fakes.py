"""`voice-server fakes`: the vendors on this machine, to try things without a key."""

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from voice_server.cli.shared import err, out, run
from voice_server.errors import ConfigurationError
from voice_server.fakes.chaos import TROUBLES
from voice_server.fakes.script import Fault, Script
from voice_server.fakes.shelf import SHELF, settings_for

USUAL = ("openai", "anthropic", "elevenlabs")


def fakes(
    vendor: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(SHELF)}; again for more.", show_default=False)
    ] = None,
    trouble: Annotated[
        str, typer.Option(help=f"How they fail: {', '.join(TROUBLES)}.", show_default="none")
    ] = "none",
) -> None:
    """Stand in for vendors on ports of this machine until Ctrl-C, and print the settings that use them.

    Examples:

        voice-server fakes > fakes.env

        set -a; . ./fakes.env; set +a; voice-server serve

        voice-server fakes --vendor openai --trouble 429
    """
    vendors = vendor or list(USUAL)
    if unknown := [one for one in vendors if one not in SHELF]:
        raise ConfigurationError(f"There is no fake of {unknown[0]!r}; known are {', '.join(SHELF)}.")
    if trouble not in TROUBLES:
        raise ConfigurationError(f"There is no trouble {trouble!r}; known are {', '.join(TROUBLES)}.")
    run(_stand_in(vendors, TROUBLES[trouble]))


async def _stand_in(vendors: list[str], fault: Fault | None) -> None:
    async with AsyncExitStack() as stack:
        for vendor in vendors:
            fake = await stack.enter_async_context(SHELF[vendor].open(Script(fault=fault)))
            for name, value in settings_for(vendor, fake.address).items():
                out.print(f"VOICE_SERVER_{name.replace('.', '__').upper()}={value}", markup=False)
        for stage in ("stt", "llm", "tts"):
            if able := [vendor for vendor in vendors if stage in SHELF[vendor].stages]:
                out.print(f"VOICE_SERVER_{stage.upper()}={','.join(able)}", markup=False)
        out.file.flush()
        err.print("They answer until Ctrl-C.")
        await asyncio.Event().wait()
