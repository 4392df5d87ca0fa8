"""Conversations and their messages, on both databases."""

import asyncio

import pytest

from voice_server.clock import LoopClock
from voice_server.errors import NotFoundError
from voice_server.store.conversations import ConversationStore, NewConversation, NewMessage
from voice_server.store.database import Database
from voice_server.store.feedback import Feedback, FeedbackStore, FeedbackType


@pytest.fixture
async def store(database: Database) -> ConversationStore:
    return ConversationStore(database, LoopClock())


async def test_what_was_kept_is_found_in_order(store: ConversationStore) -> None:
    new = NewConversation("ada", "user-1", details={"colour": "grün", "deep": [1, {"x": None}]})
    await store.add(
        "ada", new.id, [NewMessage("user", "Hello there"), NewMessage("assistant", "Hi")], beginning=new
    )
    await store.add("ada", new.id, [NewMessage("user", "Bye", details={"n": 1})])
    conversation, messages = await store.messages("ada", new.id, limit=50)
    assert [(one.role, one.content) for one in messages] == [
        ("user", "Hello there"),
        ("assistant", "Hi"),
        ("user", "Bye"),
    ]
    assert messages[2].details == {"n": 1}
    assert conversation.title == "Hello there"
    assert conversation.message_count == 3
    assert conversation.details == {"colour": "grün", "deep": [1, {"x": None}]}
    _, page = await store.messages("ada", new.id, limit=1, offset=1)
    assert [one.content for one in page] == ["Hi"]
    _, newest = await store.newest("ada", new.id, 2)
    assert [one.content for one in newest] == ["Hi", "Bye"]


async def test_lists_are_by_last_change_and_filtered(store: ConversationStore) -> None:
    made = [await store.create(NewConversation("ada", f"user-{n % 2}", title=str(n))) for n in range(4)]
    await asyncio.sleep(0.005)
    await store.add("ada", made[0].id, [NewMessage("user", "Me first")])
    await store.change("ada", made[3].id, {"status": "archived"})

    async def titles(**wanted: object) -> list[str | None]:
        page = await store.page("ada", **wanted)  # type: ignore[arg-type]
        return [one.title for one in page.items]

    assert (await titles())[0] == "0"
    assert sorted(filter(None, await titles())) == ["0", "1", "2"]
    assert (await titles(newest_first=False))[-1] == "0"
    assert await titles(status="archived") == ["3"]
    assert len(await titles(status=None)) == 4
    assert await titles(user_id="user-1") == ["1"]
    page = await store.page("ada", limit=1, offset=1)
    assert (len(page.items), page.total) == (1, 3)
    assert (await store.page("bob")).total == 0


async def test_nobody_reaches_anothers(store: ConversationStore) -> None:
    made = await store.create(NewConversation("ada", "user"))
    for attempt in (
        store.get("bob", made.id),
        store.change("bob", made.id, {"title": "mine"}),
        store.messages("bob", made.id, limit=1),
        store.newest("bob", made.id, 1),
        store.add("bob", made.id, [NewMessage("user", "Hi")]),
        store.delete("bob", made.id),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert await store.get("ada", made.id) == made


async def test_a_prompt_and_a_template_replace_each_other(store: ConversationStore) -> None:
    made = await store.create(NewConversation("ada", "user", system_prompt="Be loud."))
    changed = await store.change("ada", made.id, {"template": "expert", "template_variables": {"a": "b"}})
    assert (changed.system_prompt, changed.template, changed.template_variables) == (
        None,
        "expert",
        {"a": "b"},
    )
    changed = await store.change("ada", made.id, {"system_prompt": "Be brief."})
    assert (changed.system_prompt, changed.template, changed.template_variables) == ("Be brief.", None, {})


async def test_what_is_deleted_takes_its_messages_and_feedback_along(
    store: ConversationStore, database: Database
) -> None:
    feedback = FeedbackStore(database, LoopClock())
    made = await store.create(NewConversation("ada", "user"))
    (message,) = await store.add("ada", made.id, [NewMessage("assistant", "Hi")])
    await feedback.add("ada", Feedback(made.id, message.id, "user", FeedbackType.THUMBS_UP, 1))
    await store.delete("ada", made.id)
    with pytest.raises(NotFoundError):
        await store.get("ada", made.id)
    with pytest.raises(NotFoundError):
        await feedback.of_conversation("ada", made.id)
    with pytest.raises(NotFoundError):
        await feedback.add("ada", Feedback(made.id, message.id, "user", FeedbackType.THUMBS_UP, 1))


async def test_fifty_writers_at_once_lose_nothing(store: ConversationStore) -> None:
    made = await store.create(NewConversation("ada", "user"))

    async def write(writer: int) -> None:
        for n in range(4):
            pair = [NewMessage("user", f"{writer}.{n}?"), NewMessage("assistant", f"{writer}.{n}!")]
            await store.add("ada", made.id, pair)

    await asyncio.gather(*(write(writer) for writer in range(50)))
    _, messages = await store.messages("ada", made.id, limit=1_000)
    said = [one.content for one in messages]
    assert sorted(said) == sorted(
        f"{writer}.{n}{end}" for writer in range(50) for n in range(4) for end in "?!"
    )
    for writer in range(50):
        own = [content for content in said if content.startswith(f"{writer}.")]
        assert own == [f"{writer}.{n}{end}" for n in range(4) for end in "?!"]


async def test_readers_and_writers_in_memory_do_not_meet() -> None:
    database = Database("sqlite://")
    await database.open()
    store = ConversationStore(database, LoopClock())

    async def use(n: int) -> int:
        made = await store.create(NewConversation("ada", "user"))
        await store.add("ada", made.id, [NewMessage("user", str(n))])
        return (await store.page("ada")).total

    await asyncio.gather(*(use(n) for n in range(30)))
    assert (await store.page("ada")).total == 30
    await database.close()
