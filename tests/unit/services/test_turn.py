"""A typed turn that is ended tells whoever reads it."""

import asyncio

import pytest

from tests.fakes.scripted import HANG, ScriptedLlm
from voice_server.clock import LoopClock
from voice_server.core.caller import Caller
from voice_server.core.usage import Unmetered
from voice_server.errors import ProviderUnavailable
from voice_server.ids import ConversationId
from voice_server.providers.base import ChatMessage, ReplyRequest
from voice_server.providers.metered import Bill
from voice_server.services.stops import StopCutter
from voice_server.services.turn import Keeping, Turn
from voice_server.store.conversations import ConversationStore
from voice_server.store.database import Database

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("steps", [0, 3])
async def test_a_turn_ended_before_its_first_word_is_no_endless_wait(steps: int) -> None:
    clock = LoopClock()
    conversations = ConversationStore(Database("sqlite://"), clock)
    turn = Turn(
        Keeping(conversations, "local", ConversationId("conv_1"), []),
        ScriptedLlm([[HANG]]),
        Bill(Unmetered(), Caller()),
        ReplyRequest([ChatMessage("user", "Hello")]),
        StopCutter(()),
        clock,
    )
    over: list[Turn] = []
    turn.start(over.append)
    for _ in range(steps):
        await asyncio.sleep(0)
    turn.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(ProviderUnavailable):
            await turn.whole()
    assert over == [turn]
