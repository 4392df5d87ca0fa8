"""Embeddings on this machine: all-MiniLM-L6-v2 on onnxruntime, for English."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_server.errors import ModelFileError, ProviderError, VoiceServerError
from voice_server.providers.base import EmbeddingCapabilities
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.local.worker import Worker
from voice_server.providers.registry import import_vendor

_MODEL = "minilm"
_DIMENSIONS = 384
_MOST_TOKENS = 256  # what the model was taught with
_MOST_CHARS = 8_000  # no more can matter, and the tokenizer need not read it


def create(options: Mapping[str, Any]) -> "MiniLmEmbeddings":
    """The entry point `voice_server.embeddings: local`. `options`: `weights` (a WeightStore)."""
    return MiniLmEmbeddings(options.get("weights") or WeightStore())


class MiniLmEmbeddings:
    """The `Embeddings`. One text at a time, the urgent ones first, on one thread."""

    name = "local"
    title = "MiniLM (this machine)"
    model = "local/all-MiniLM-L6-v2-int8"
    capabilities = EmbeddingCapabilities(_DIMENSIONS, ("en",))

    def __init__(self, weights: WeightStore) -> None:
        self._weights = weights
        self._worker = Worker("minilm")
        self._engine: _Engine | None = None

    async def warm(self) -> None:
        if self._engine is None:
            await self._worker.run(self._load)

    async def close(self) -> None:
        await self._worker.close()
        self._engine = None

    async def embed(self, texts: Sequence[str], *, urgent: bool = True) -> list[NDArray[np.float32]]:
        try:
            return [await self._embed(text, urgent) for text in texts]
        except VoiceServerError:
            raise
        except Exception as error:  # onnxruntime's own have no common base
            raise ProviderError("The text could not be embedded.") from error

    async def _embed(self, text: str, urgent: bool) -> NDArray[np.float32]:
        return await self._worker.run(lambda: self._load().embed(text), urgent=urgent)

    def _load(self) -> "_Engine":
        if self._engine is None:
            engine = _Engine(self._weights)
            engine.embed("Hello there.")  # lets onnxruntime allocate
            self._engine = engine
        return self._engine


class _Engine:
    """The model and its tokenizer; lives on the worker's thread."""

    def __init__(self, weights: WeightStore) -> None:
        path = weights.path(_MODEL)
        runtime = import_vendor("onnxruntime", extra="local")
        tokenizers = import_vendor("tokenizers", extra="local")
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path.with_name("tokenizer.json")))
            self._session = runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # neither library's errors have a common base
            raise ModelFileError(
                f"The embeddings do not load from {path}; run `voice-server models verify {_MODEL}`."
            ) from error
        self._tokenizer.enable_truncation(_MOST_TOKENS)
        self._tokenizer.no_padding()

    def embed(self, text: str) -> NDArray[np.float32]:
        """Alone: in a batch the others' padding would change the numbers, this model rounds by the whole."""
        tokens = self._tokenizer.encode(text[:_MOST_CHARS])
        fed = {
            "input_ids": np.array([tokens.ids], np.int64),
            "attention_mask": np.array([tokens.attention_mask], np.int64),
            "token_type_ids": np.array([tokens.type_ids], np.int64),
        }
        hidden: NDArray[np.float32] = self._session.run(None, fed)[0]
        mean: NDArray[np.float32] = hidden[0].mean(0)
        return mean / np.linalg.norm(mean)
