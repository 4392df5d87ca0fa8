"""Finds messages by what they mean, and by names and numbers that are in them.

Candidates are the nearest by their vectors and those that hold telling words of the query. Both lists
together decide who is found (reciprocal rank fusion); the cosine alone says in which order an answer shows
them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from voice_server.errors import NotFoundError, VoiceServerError
from voice_server.providers.base import Embeddings
from voice_server.services.indexer import Indexer
from voice_server.store.search import MOST_HOLDING, FoundMessage, MessageIndex, Scope, Vector, Vectors

log = structlog.get_logger()

DEEPEST = 1_000
"""No answer shows what comes after so many results."""
_LEAST = 50  # candidates by vector
_MOST_WORDS = 12
_MOST_EMBEDDED_HERE = 16
_MESSAGES_EACH = 8  # that a conversation is expected to have among the candidates
_FUSION = 60  # the usual constant: how little the first places matter more than the next
_SNIPPET_CHARS = 160
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found. `similarity` is the cosine, 0 to 1."""

    message: FoundMessage
    similarity: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Semantics:
    """What search by meaning needs. `wait_s`: how long a search waits for vectors of what is new."""

    embeddings: Embeddings
    vectors: Vectors
    indexer: Indexer
    wait_s: float


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Positions, the likeliest first, and what is known of their cosines."""

    positions: Sequence[int]
    cosines: Mapping[int, float]
    is_all: bool


class Search:
    """Search in the messages of an owner. Without `semantics`, by words alone, and every similarity is 0."""

    def __init__(self, index: MessageIndex, semantics: Semantics | None) -> None:
        self._index = index
        self._semantics = semantics

    async def messages(self, scope: Scope, query: str, limit: int, offset: int) -> list[Hit]:
        """The messages that fit, the most similar first.

        Raises:
            NotFoundError: the owner has no such conversation.
        """
        await self._check(scope)
        words = telling_words(query)
        vector = await self._vector(scope.owner, query)
        found = await self._candidates(scope, words, vector, min(offset + limit, DEEPEST))
        page = found.positions[offset : min(offset + limit, DEEPEST)]
        return await self._hits(scope.owner, page, words, vector, found.cosines)

    async def conversations(self, scope: Scope, query: str, limit: int, offset: int) -> list[Hit]:
        """The conversations that fit: their likeliest messages, the similarity of the most similar ones."""
        words = telling_words(query)
        vector = await self._vector(scope.owner, query)
        end = min(offset + limit, DEEPEST)
        for most in (min(end * _MESSAGES_EACH, DEEPEST), DEEPEST):
            found = await self._candidates(scope, words, vector, most)
            hits = await self._hits(scope.owner, found.positions, words, vector, found.cosines)
            best = _by_conversation(hits, found.positions)
            if len(best) >= end or found.is_all:
                break
        return sorted(best[offset:end], key=_by_similarity)

    async def _check(self, scope: Scope) -> None:
        if scope.conversation_id is None:
            return
        if not await self._index.knows_conversation(scope.owner, scope.conversation_id):
            raise NotFoundError("There is no conversation with this id.", code="unknown_conversation")

    async def _vector(self, owner: str, query: str) -> Vector | None:
        """What the query means, once what was written before it can be found; None if that cannot be had."""
        if self._semantics is None:
            return None
        try:
            await self._semantics.indexer.prepare()
            (vector,) = await self._semantics.embeddings.embed([query])
        except VoiceServerError as error:
            log.warning("search by words alone", reason=error.message)
            return None
        await self._semantics.indexer.catch_up(owner, self._semantics.wait_s)
        return vector

    async def _candidates(
        self, scope: Scope, words: Sequence[str], vector: Vector | None, most: int
    ) -> _Candidates:
        near: list[tuple[int, float]] = []
        wanted = max(most, _LEAST)
        if vector is not None and self._semantics is not None:
            near = await self._semantics.vectors.nearest(scope, vector, wanted)
        cosines = dict(near)
        weights = await self._weights(scope, words)

        def nearest_first(position: int) -> tuple[float, int]:
            return -cosines.get(position, -1.0), -position

        holding = sorted(weights, key=lambda position: (-weights[position], nearest_first(position)))
        ranks: dict[int, float] = {}
        for ranked in (list(cosines), holding):
            for rank, position in enumerate(ranked, 1):
                ranks[position] = ranks.get(position, 0) + 1 / (_FUSION + rank)
        positions = sorted(ranks, key=lambda position: (-ranks[position], nearest_first(position)))
        return _Candidates(positions, cosines, is_all=len(near) < wanted)

    async def _weights(self, scope: Scope, words: Sequence[str]) -> dict[int, float]:
        """Who holds words of the query, and what that weighs: the rarer the words, the more."""
        holders = await self._index.holding(scope, words)
        telling = {word: held for word, held in holders.items() if len(held) < MOST_HOLDING} or holders
        weights: dict[int, float] = {}
        for held in telling.values():
            for position in held:
                weights[position] = weights.get(position, 0) + math.log(1 + MOST_HOLDING / len(held))
        return weights

    async def _hits(
        self,
        owner: str,
        positions: Sequence[int],
        words: Sequence[str],
        vector: Vector | None,
        cosines: Mapping[int, float],
    ) -> list[Hit]:
        messages = await self._index.messages(owner, positions)
        known = await self._all_cosines(messages, vector, cosines)
        hits = [
            Hit(message, min(1.0, max(0.0, known.get(position, 0.0))), snippet(message.content, words))
            for position, message in messages.items()
        ]
        return sorted(hits, key=_by_similarity)

    async def _all_cosines(
        self, messages: Mapping[int, FoundMessage], vector: Vector | None, cosines: Mapping[int, float]
    ) -> Mapping[int, float]:
        """What was found by a word alone has a cosine too, even if its vector is still to be made."""
        missing = [position for position in messages if position not in cosines]
        if not missing or vector is None or self._semantics is None:
            return cosines
        known = {**cosines, **await self._semantics.vectors.cosines(missing, vector)}
        new = [position for position in missing if position not in known][:_MOST_EMBEDDED_HERE]
        try:
            vectors = await self._semantics.embeddings.embed([messages[one].content for one in new])
        except VoiceServerError as error:
            log.warning("a similarity is not known", reason=error.message)
            return known
        return known | {one: float(made @ vector) for one, made in zip(new, vectors, strict=True)}


def telling_words(query: str) -> list[str]:
    """The words of a query, without their punctuation, each once."""
    words = (_EDGES.sub("", word) for word in query.split())
    return list({word.casefold(): word for word in words if word}.values())[:_MOST_WORDS]


def snippet(content: str, words: Sequence[str]) -> str:
    """A line of a message, around the first longest word of the query that it holds."""
    line = " ".join(content.split())
    if len(line) <= _SNIPPET_CHARS:
        return line
    starts = (
        found.start()
        for word in sorted(words, key=len, reverse=True)
        if (found := re.search(rf"\b{re.escape(word)}\b", line, re.IGNORECASE))
    )
    start = max(0, min(next(starts, 0) - _SNIPPET_CHARS // 3, len(line) - _SNIPPET_CHARS))
    end = start + _SNIPPET_CHARS
    if start:
        start = line.find(" ", start, start + 30) + 1 or start
    if end < len(line):
        end = max(line.rfind(" ", end - 30, end), start + 1) if " " in line[end - 30 : end] else end
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")


def _by_similarity(hit: Hit) -> tuple[float, int]:
    return -hit.similarity, -hit.message.position


def _by_conversation(hits: Sequence[Hit], positions: Sequence[int]) -> list[Hit]:
    """One hit a conversation, in the order of the positions."""
    by_position = {hit.message.position: hit for hit in hits}
    most_similar: dict[str, float] = {}
    for hit in hits:
        conversation_id = hit.message.conversation_id
        most_similar[conversation_id] = max(most_similar.get(conversation_id, 0.0), hit.similarity)
    best: dict[str, Hit] = {}
    for position in positions:
        if (found := by_position.get(position)) is not None:
            conversation_id = found.message.conversation_id
            best.setdefault(conversation_id, Hit(found.message, most_similar[conversation_id], found.snippet))
    return list(best.values())
