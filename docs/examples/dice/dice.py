"""Two tools for a language model."""

import random
from typing import Annotated

from pydantic import Field

from voice_server.errors import ToolError

Sides = Annotated[int, Field(ge=2, le=100)]
Bet = Annotated[str, Field(description="what the user bets on: heads or tails")]


def roll(sides: Sides = 6, times: Annotated[int, Field(ge=1, le=10)] = 1) -> str:
    """Throw a fair dice, or several, and tell what came up."""
    return ", ".join(str(random.randint(1, sides)) for _ in range(times))


async def toss(bet: Bet) -> dict[str, str]:
    """Toss a coin for a bet."""
    if bet not in ("heads", "tails"):
        raise ToolError("One can bet on heads or on tails only.")
    side = random.choice(("heads", "tails"))
    return {"side": side, "result": "won" if side == bet else "lost"}
