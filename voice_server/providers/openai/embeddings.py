"""Texts to vectors over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_server.providers.base import EmbeddingCapabilities
from voice_server.providers.openai.client import openai_client
from voice_server.providers.openai.errors import failures, openai_error
from voice_server.providers.openai.languages import LANGUAGES
from voice_server.providers.openai.options import OpenAiOptions

DEFAULT_MODEL = "text-embedding-3-small"
_MOST_BYTES = 8_000  # 8,191 tokens are taken of a text, and none is less than a byte in any language
_MOST_TEXTS = 32  # 300,000 tokens of all


def create(options: Mapping[str, Any]) -> "OpenAiEmbeddings":
    """The entry point `voice_server.embeddings: openai`. `options`: the fields of `OpenAiOptions`."""
    return OpenAiEmbeddings(OpenAiOptions.read(options))


class OpenAiEmbeddings:
    """The `Embeddings`: one request for many texts."""

    def __init__(self, options: OpenAiOptions) -> None:
        self.name = options.name
        self._model = options.embeddings_model or DEFAULT_MODEL
        self._dimensions = options.embeddings_dimensions
        self.model = f"{options.name}/{self._model}/{self._dimensions}"
        self.title = f"{options.title} {self._model}"
        self.capabilities = EmbeddingCapabilities(self._dimensions, LANGUAGES)
        self._options = options
        self._client = openai_client(options)

    async def warm(self) -> None:
        await self._client.get()

    async def close(self) -> None:
        await self._client.close()

    async def embed(self, texts: Sequence[str], *, urgent: bool = True) -> list[NDArray[np.float32]]:
        vectors: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), _MOST_TEXTS):
            vectors += await self._embed(texts[start : start + _MOST_TEXTS])
        return vectors

    async def _embed(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        client = await self._client.get()
        try:
            answer = await client.embeddings.create(
                model=self._model,
                input=[_beginning(text) or "-" for text in texts],  # an empty one is refused
                dimensions=self._dimensions,
                encoding_format="float",
            )
            found = sorted(answer.data, key=lambda one: one.index)
            vectors = [np.array(one.embedding, np.float32) for one in found]
            if [vector.shape for vector in vectors] != [(self._dimensions,)] * len(texts):
                raise ValueError("not the vectors that were asked for")
            return [vector / np.linalg.norm(vector) for vector in vectors]
        except failures() as error:
            raise openai_error(error, "internal", self._options) from error


def _beginning(text: str) -> str:
    return text[:_MOST_BYTES].encode()[:_MOST_BYTES].decode(errors="ignore").strip()
