"""Words, vectors and the queue: the same on both databases."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from voice_server.store.database import Database
from voice_server.store.search import MOST_HOLDING, Embedded, MessageIndex, Scope, Vector
from voice_server.store.tables import ConversationRow, MessageRow
from voice_server.store.vectors import vectors_of

MODEL, DIMENSIONS = "test/numbers", 48
OURS = Scope("key:ours")


def direction(seed: int) -> Vector:
    numbers: NDArray[np.float64] = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


async def write(
    database: Database,
    contents: list[str],
    *,
    owner: str = OURS.owner,
    user_id: str = "u",
    id: str = "conv_1",
) -> list[int]:
    """A conversation of these messages; gives their positions."""
    async with database.write() as session:
        session.add(ConversationRow(id=id, owner=owner, user_id=user_id, created_at_ms=1, updated_at_ms=2))
        await session.flush()
        rows = [
            MessageRow(
                id=f"msg_{id}_{number}",
                conversation_id=id,
                owner=owner,
                role="user",
                content=content,
                created_at_ms=number,
            )
            for number, content in enumerate(contents)
        ]
        session.add_all(rows)
        await session.flush()
        return [row.position for row in rows]


async def embed(database: Database, owner: str | None = None) -> None:
    """Give every message that waits a direction that follows from its position."""
    index, vectors = MessageIndex(database), vectors_of(database)
    while waiting := await index.unembedded(owner, 500):
        await vectors.keep(
            MODEL, [Embedded(one.position, one.content, direction(one.position)) for one in waiting]
        )


async def held(database: Database, word: str, scope: Scope = OURS) -> list[int]:
    return (await MessageIndex(database).holding(scope, [word]))[word]


async def test_what_is_written_waits_for_its_vector_and_then_no_more(database: Database) -> None:
    index = MessageIndex(database)
    positions = await write(database, ["one", "two"])
    assert [one.content for one in await index.unembedded(None, 10)] == ["one", "two"]
    assert await index.has_unembedded(OURS.owner)
    assert not await index.has_unembedded("another")
    await embed(database)
    assert not await index.has_unembedded(OURS.owner)
    near = await vectors_of(database).nearest(OURS, direction(positions[1]), 5)
    assert [position for position, _ in near] == [positions[1], positions[0]]
    assert near[0][1] == pytest.approx(1, abs=1e-3)


async def test_the_nearest_of_many_are_found_within_their_scope(database: Database) -> None:
    vectors = vectors_of(database)
    await vectors.prepare(MODEL, DIMENSIONS)
    ours = await write(database, ["x"] * 1_000)
    other_user = await write(database, ["x"] * 30, user_id="v", id="conv_2")
    await write(database, ["x"] * 30, owner="key:theirs", id="conv_3")
    await embed(database)
    query = direction(10**6)
    for scope, within in (
        (OURS, ours + other_user),
        (Scope(OURS.owner, "v"), other_user),
        (Scope(OURS.owner, None, "conv_2"), other_user),
        (Scope(OURS.owner, "u", "conv_2"), []),
        (Scope("key:theirs", None, "conv_1"), []),
        (Scope("nobody"), []),
    ):
        exact = sorted(within, key=lambda position: -float(direction(position) @ query))
        found = [position for position, _ in await vectors.nearest(scope, query, 10)]
        assert found == exact[:10]


async def test_a_message_that_says_something_else_is_embedded_again(database: Database) -> None:
    index, vectors = MessageIndex(database), vectors_of(database)
    (position,) = await write(database, ["the whole reply"])
    await embed(database)
    assert await vectors.cosines([position], direction(1))
    async with database.write() as session:
        await session.execute(text("UPDATE messages SET content = 'the whole', cost = 1"))
    assert await vectors.cosines([position], direction(1)) == {}
    assert [one.content for one in await index.unembedded(None, 10)] == ["the whole"]
    assert await held(database, "reply") == []
    assert await held(database, "whole") == [position]
    await vectors.keep(MODEL, [Embedded(position, "the whole reply", direction(1))])
    assert await vectors.cosines([position], direction(1)) == {}  # it was the vector of what it said before
    assert await index.has_unembedded(OURS.owner)


async def test_a_change_of_anything_else_leaves_the_vector(database: Database) -> None:
    (position,) = await write(database, ["the whole reply"])
    await embed(database)
    async with database.write() as session:
        await session.execute(text("UPDATE messages SET content = 'the whole reply', cost = 1"))
    assert not await MessageIndex(database).has_unembedded(OURS.owner)
    assert await vectors_of(database).cosines([position], direction(1))


async def test_nothing_of_a_deleted_conversation_is_found(database: Database) -> None:
    index, vectors = MessageIndex(database), vectors_of(database)
    gone = await write(database, [f"gone {number}" for number in range(600)])
    kept = await write(database, [f"kept {number}" for number in range(5)], id="conv_2")
    await embed(database)
    await write(database, ["gone before it was embedded"], id="conv_3")
    assert len(await vectors.nearest(OURS, direction(1), 10)) == 10
    async with database.write() as session:
        await session.execute(text("DELETE FROM conversations WHERE id <> 'conv_2'"))
    near = await vectors.nearest(OURS, direction(1), 10)
    assert sorted(position for position, _ in near) == sorted(kept)
    assert await held(database, "gone") == []
    assert await index.messages(OURS.owner, gone[:10]) == {}
    assert not await index.has_unembedded(OURS.owner)
    async with database.read() as session:
        count = await session.execute(text("SELECT count(*) FROM message_vectors"))
        assert count.scalar_one() == len(kept)


async def test_another_model_embeds_everything_again(database: Database) -> None:
    index, vectors = MessageIndex(database), vectors_of(database)
    await vectors.prepare(MODEL, DIMENSIONS)
    (position,) = await write(database, ["one"])
    await embed(database)
    await vectors.prepare(MODEL, DIMENSIONS)
    assert not await index.has_unembedded(OURS.owner)
    await vectors.prepare("test/letters", 7)
    assert await index.has_unembedded(OURS.owner)
    other = np.ones(7, np.float32) / np.float32(7**0.5)
    await vectors.keep("test/letters", [Embedded(position, "one", other)])
    assert (await vectors.nearest(OURS, other, 5))[0][1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("word", "contents"),
    [
        ("zurlinden", ["Ask Mrs Zurlinden."]),
        ("84213", ["Order 84213 is late", "It is number 84213, not 4213."]),
        ("Müller", ["Herr Müller rief an"]),
        ("anna@example.com", ["Write to anna@example.com today"]),
        ("green tea", ["Is green tea good?"]),
        ('"', []),
        ("OR NOT *", []),
        ("nothing", []),
    ],
)
async def test_words_are_found_whole(database: Database, word: str, contents: list[str]) -> None:
    index = MessageIndex(database)
    said = [
        "Ask Mrs Zurlinden.",
        "Order 84213 is late",
        "It is number 84213, not 4213.",
        "Herr Müller rief an",
    ]
    said += ["Write to anna@example.com today", "Is green tea good?", "Tea that is green"]
    await write(database, said)
    await write(database, said, owner="key:theirs", id="conv_2")
    found = await index.messages(OURS.owner, await held(database, word))
    assert sorted(one.content for one in found.values()) == sorted(contents)


async def test_a_word_of_every_message_is_told_by_so_many_only(database: Database) -> None:
    await write(database, ["tea"] * (MOST_HOLDING + 50))
    assert len(await held(database, "tea")) == MOST_HOLDING


async def test_an_owner_without_letters_has_words_too(database: Database) -> None:
    await write(database, ["tea"], owner="***")
    assert len(await held(database, "tea", Scope("***"))) == 1


async def test_a_found_message_tells_of_its_conversation(database: Database) -> None:
    (position,) = await write(database, ["one"])
    found = (await MessageIndex(database).messages(OURS.owner, [position, position + 1]))[position]
    assert (found.id, found.conversation_id, found.role, found.content) == (
        "msg_conv_1_0",
        "conv_1",
        "user",
        "one",
    )
    assert (found.created_at_ms, found.conversation_created_at_ms, found.conversation_updated_at_ms) == (
        0,
        1,
        2,
    )
    assert await MessageIndex(database).messages("key:theirs", [position]) == {}
