"""Templates that callers made, and feedback, on both databases."""

from dataclasses import replace

import pytest

from voice_server.clock import LoopClock
from voice_server.errors import NotFoundError, ProtocolError
from voice_server.store.conversations import ConversationStore, NewConversation, NewMessage
from voice_server.store.database import Database
from voice_server.store.feedback import Feedback, FeedbackStore, FeedbackType
from voice_server.store.templates import Template, TemplateStore

MINE = Template(
    name="mine",
    display_name="Mine",
    description="For me",
    system_prompt="Be {tone}.",
    variables=["tone"],
    defaults={"tone": "kind"},
    example_usage="…",
    tools=["weather"],
)


async def test_a_template_is_kept_replaced_and_forgotten(database: Database) -> None:
    store = TemplateStore(database, LoopClock())
    await store.add("ada", MINE)
    assert await store.find("ada", "mine") == MINE
    assert await store.all("ada") == [MINE]
    other = replace(MINE, system_prompt="Be quiet.", variables=[], defaults={}, tools=None, id="tmpl_other")
    assert await store.replace("ada", other) == replace(other, id=MINE.id)
    assert (await store.all("ada"))[0].tools is None
    await store.delete("ada", "mine")
    assert await store.all("ada") == []
    for gone in (store.replace("ada", MINE), store.delete("ada", "mine")):
        with pytest.raises(NotFoundError):
            await gone


async def test_a_name_is_taken_once_by_each_owner(database: Database) -> None:
    store = TemplateStore(database, LoopClock())
    await store.add("ada", MINE)
    with pytest.raises(ProtocolError) as refused:
        await store.add("ada", replace(MINE, id="tmpl_2"))
    assert refused.value.code == "template_exists"
    await store.add("bob", replace(MINE, id="tmpl_3", description="For Bob"))
    await store.delete("bob", "mine")
    assert await store.find("ada", "mine") == MINE


async def test_a_judgement_replaces_the_one_before_and_reports_add_up(database: Database) -> None:
    store, conversations = FeedbackStore(database, LoopClock()), ConversationStore(database, LoopClock())
    made = await conversations.create(NewConversation("ada", "user"))
    messages = [NewMessage("user", "Hi"), NewMessage("assistant", "Ho")]
    _, reply = await conversations.add("ada", made.id, messages)

    async def give(kind: FeedbackType, value: float, user: str = "user", owner: str = "ada") -> None:
        await store.add(owner, Feedback(made.id, reply.id, user, kind, value))

    await give(FeedbackType.THUMBS_UP, 1)
    await give(FeedbackType.RATING, 2)
    await give(FeedbackType.RATING, 5, user="another")
    await give(FeedbackType.REPORT, 0)
    await give(FeedbackType.REPORT, 0)
    total, given = await store.of_conversation("ada", made.id)
    assert total == 2
    assert [(one.user_id, one.type.value, one.value) for one in given] == [
        ("user", "rating", 2),
        ("another", "rating", 5),
        ("user", "report", 0),
        ("user", "report", 0),
    ]
    with pytest.raises(NotFoundError):
        await give(FeedbackType.THUMBS_UP, 1, owner="bob")
    with pytest.raises(NotFoundError):
        await store.of_conversation("bob", made.id)
