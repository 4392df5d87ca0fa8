"""What a search finds, and the indexer behind it, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from tests.fakes.scripted import ScriptedEmbeddings
from tests.store.test_search import OURS, write
from voice_server.errors import NotFoundError, ProviderUnavailable
from voice_server.services.indexer import Indexer
from voice_server.services.search import Search, Semantics, snippet
from voice_server.store.database import Database
from voice_server.store.search import MessageIndex, Scope
from voice_server.store.vectors import vectors_of


def search_of(
    database: Database, embeddings: ScriptedEmbeddings, wait_s: float = 30
) -> tuple[Search, Indexer]:
    index, vectors = MessageIndex(database), vectors_of(database)
    indexer = Indexer(index, vectors, embeddings, is_busy=lambda: False)
    return Search(index, Semantics(embeddings, vectors, indexer, wait_s)), indexer


@asynccontextmanager
async def running(indexer: Indexer) -> AsyncIterator[None]:
    task = asyncio.create_task(indexer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def contents(search: Search, query: str, limit: int = 10, offset: int = 0) -> list[str]:
    return [hit.message.content for hit in await search.messages(OURS, query, limit, offset)]


async def until_indexed(database: Database, owner: str = OURS.owner) -> None:
    async with asyncio.timeout(30):
        while await MessageIndex(database).has_unembedded(owner):
            await asyncio.sleep(0.01)


async def test_what_was_written_is_found_at_once_and_the_most_similar_first(database: Database) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    await write(database, ["green tea", "green tea with milk and sugar", "a red car"])
    hits = await search.messages(OURS, "green tea", 10, 0)
    assert [hit.message.content for hit in hits] == [
        "green tea",
        "green tea with milk and sugar",
        "a red car",
    ]
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)
    assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)
    assert all(0 <= hit.similarity <= 1 for hit in hits)


async def test_names_and_numbers_are_found_among_much_that_is_nearer(database: Database) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    long = "and then we talked for a while about this and that until somebody mentioned order 84213 again"
    await write(database, ["where is my order"] * 300 + [long, "Mrs Zurlinden called " + "for ages " * 30])
    assert long in await contents(search, "where is my order 84213")
    assert any("Zurlinden" in one for one in await contents(search, "zurlinden where is my order"))


async def test_pages_follow_each_other_without_gaps(database: Database) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    await write(database, [f"tea number {number}" for number in range(25)])
    pages = [await contents(search, "tea", limit=10, offset=offset) for offset in (0, 10, 20, 30)]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert len({one for page in pages for one in page}) == 25
    assert await contents(search, "tea", offset=10**9) == []


async def test_each_conversation_is_found_once_by_its_best_message(database: Database) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    await write(database, ["tea"] * 60, id="conv_tea")
    await write(database, ["a cup of tea perhaps", "a car"], id="conv_cup")
    await write(database, ["a car"], id="conv_car")
    await write(database, ["tea"], id="conv_theirs", owner="key:theirs")
    hits = await search.conversations(OURS, "tea", 10, 0)
    assert [hit.message.conversation_id for hit in hits] == ["conv_tea", "conv_cup", "conv_car"]
    assert [hit.snippet for hit in hits] == ["tea", "a cup of tea perhaps", "a car"]
    assert [hit.message.conversation_id for hit in await search.conversations(OURS, "tea", 1, 1)] == [
        "conv_cup"
    ]


async def test_one_conversation_is_searched_if_it_is_the_owners(database: Database) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    await write(database, ["tea", "car"], id="conv_1")
    await write(database, ["tea"], id="conv_2")
    found = await search.messages(Scope(OURS.owner, None, "conv_1"), "tea", 10, 0)
    assert [hit.message.content for hit in found] == ["tea", "car"]
    with pytest.raises(NotFoundError):
        await search.messages(Scope("key:theirs", None, "conv_1"), "tea", 10, 0)


async def test_another_server_goes_on_where_one_stopped(database: Database) -> None:
    await write(database, [f"message {number}" for number in range(50)])
    first, second = ScriptedEmbeddings(), ScriptedEmbeddings()
    first.takes_s = 3600  # it is ended while it works
    _, indexer = search_of(database, first)
    async with running(indexer):
        await asyncio.sleep(0.05)
    _, indexer = search_of(database, second)
    async with running(indexer):
        await until_indexed(database)
    assert sorted(second.embedded) == sorted(f"message {number}" for number in range(50))


async def test_another_model_embeds_everything_again(database: Database) -> None:
    await write(database, ["tea", "car"])
    before, after = ScriptedEmbeddings(), ScriptedEmbeddings(model="scripted/better", dimensions=40)
    assert await contents(search_of(database, before)[0], "tea") == ["tea", "car"]
    search, indexer = search_of(database, after)
    async with running(indexer):
        async with asyncio.timeout(30):
            while len(after.embedded) < 2:
                await asyncio.sleep(0.01)
        await until_indexed(database)
    assert (await search.messages(OURS, "tea", 10, 0))[0].similarity == pytest.approx(1, abs=1e-3)


async def test_embeddings_that_fail_leave_the_words(database: Database) -> None:
    embeddings = ScriptedEmbeddings()
    search, indexer = search_of(database, embeddings)
    await write(database, ["green tea", "a red car"])
    embeddings.fails = ProviderUnavailable("Away.")
    hits = await search.messages(OURS, "tea", 10, 0)
    assert [(hit.message.content, hit.similarity) for hit in hits] == [("green tea", 0.0)]
    async with running(indexer):
        await asyncio.sleep(0.05)
        embeddings.fails = None
        await until_indexed(database)
    assert (await search.messages(OURS, "green tea", 1, 0))[0].similarity == pytest.approx(1, abs=1e-3)


async def test_a_message_that_cannot_be_embedded_holds_up_no_other(database: Database) -> None:
    embeddings = ScriptedEmbeddings()
    embeddings.refuses = "poison"
    index = MessageIndex(database)
    search, indexer = search_of(database, embeddings, wait_s=0.1)
    await write(database, ["poison", "tea"])
    async with running(indexer), asyncio.timeout(60):
        while [one.content for one in await index.unembedded(None, 10)] != ["poison"]:
            await asyncio.sleep(0.05)
    (hit,) = await search.messages(OURS, "tea", 10, 0)
    assert (hit.message.content, round(hit.similarity, 2)) == ("tea", 1.0)


async def test_a_search_does_not_wait_for_ever(database: Database) -> None:
    embeddings = ScriptedEmbeddings()
    search, _ = search_of(database, embeddings, wait_s=0.2)
    await write(database, ["green tea"] * 40)
    embeddings.takes_s = 0.15
    hits = await search.messages(OURS, "green tea", 10, 0)
    assert len(hits) == 10
    assert {round(hit.similarity, 2) for hit in hits} == {1.0}  # made here, for those that are shown


async def test_a_cut_reply_is_found_by_what_was_heard(database: Database) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    await write(database, ["we have green tea and also coffee"])
    assert await contents(search, "coffee") == ["we have green tea and also coffee"]
    async with database.write() as session:
        await session.execute(text("UPDATE messages SET content = 'we have green tea'"))
    (hit,) = await search.messages(OURS, "we have green tea", 10, 0)
    assert (hit.message.content, round(hit.similarity, 2)) == ("we have green tea", 1.0)


@pytest.mark.parametrize(
    "query", ["!!!", "'; DROP TABLE messages; --", '"unclosed', "NEAR(", "tea*", "🫖", "a" * 2000]
)
async def test_any_query_is_only_words(database: Database, query: str) -> None:
    search, _ = search_of(database, ScriptedEmbeddings())
    await write(database, ["green tea"])
    assert await contents(search, query) == ["green tea"]


def test_a_snippet_is_around_the_match() -> None:
    text = "words before " * 40 + "the order 84213 came " + "words after " * 40
    assert "84213" in snippet(text, ["order", "84213"])
    assert snippet(text, ["84213"]).startswith("…") and snippet(text, ["84213"]).endswith("…")
    assert len(snippet(text, ["84213"])) <= 162
    assert snippet(text, []).startswith("words before")
    assert snippet("short\n  one", ["one"]) == "short one"
    assert len(snippet("x" * 5000, ["x"])) <= 162
