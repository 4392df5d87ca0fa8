"""llama.cpp's server inside this process: how it is started, asked, and stopped without harm."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from voice_server.errors import ModelFileError, ProviderUnavailable
from voice_server.providers.local.event_stream import EventServer, HttpStatusError
from voice_server.providers.local.slots import Slots
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.local.worker import Worker, default_threads
from voice_server.providers.registry import import_vendor

_BATCH_TOKENS = 32
"""A running batch cannot be stopped. 32 tokens cost the 1.5B 0.4 s, and 512 at once are no faster."""
_QUIET_S = 20.0

_ALWAYS = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "cache_prompt": True,
    # Something is written after every batch of the prompt, which is how the server notices that we have
    # left; without it, it reads a long prompt to its end for nobody.
    "return_progress": True,
}


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """`slots` replies at once, `context_tokens` for each; `warm_prompt` is read before anyone asks."""

    model: str = "qwen-1.5b"
    threads: int = 0
    slots: int = 2
    context_tokens: int = 4096
    warm_prompt: str = ""


class LlamaEngine:
    """One model in memory, and its slots."""

    def __init__(self, weights: WeightStore, options: LlamaOptions) -> None:
        self._weights = weights
        self._options = options
        self._worker = Worker("llama")
        self._key = secrets.token_hex(32)  # the listener is open to every process of this machine
        self._engine: Any = None
        self._server: EventServer | None = None
        self._slots = Slots(options.slots)

    async def start(self) -> None:
        """Load the model.

        Raises:
            ConfigurationError: the weights or the library are missing or damaged.
            ProviderUnavailable: it has been stopped.
        """
        await self._worker.run(self._load)
        if self._server is None:
            self._server = self._connect()

    async def events(self, payload: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The server's own events for a chat completion. Closing the generator stops it within one batch.

        Raises as `EventServer.post`, and ProviderUnavailable where it is not started or stopped.
        """
        talk = [one["content"] for one in payload["messages"] if one["role"] != "system"]
        async with self._slots.take(talk) as slot:
            if self._server is None:
                raise ProviderUnavailable("the local language model has been closed.", stage="llm")
            async with aclosing(self._server.post({**payload, **_ALWAYS, "id_slot": slot})) as events:
                async for event in events:
                    yield event

    async def stop(self) -> None:
        """Break every reply off and free the memory."""
        server, self._server = self._server, None
        if server is not None:
            await server.cut()
            if await self._is_quiet():
                await self._worker.run(self._free)
        await self._worker.close()

    async def _is_quiet(self) -> bool:
        """Wait until each slot is idle.

        The engine's destructor holds Python's global lock while it waits for its threads: if one were still
        at work, the whole process would freeze. Rather keep the memory than that.
        """
        asking = self._connect()
        one_word = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        try:
            async with asyncio.timeout(_QUIET_S):
                for slot in range(self._options.slots):
                    async for _ in asking.post({**_ALWAYS, **one_word, "id_slot": slot}):
                        pass  # answered only when the slot is free
        except (HttpStatusError, OSError, EOFError, ValueError):
            return False
        return True

    def _connect(self) -> EventServer:
        url = f"{self._engine.listening_address}/v1/chat/completions"
        return EventServer(url, self._key)

    def _load(self) -> None:
        # The vendor's constructor and destructor hold Python's global lock: nothing else runs meanwhile.
        if self._engine is not None:
            return
        path = self._weights.path(self._options.model)
        vendor = import_vendor("xllamacpp", extra="local")
        params = vendor.CommonParams()
        params.model.path = str(path)
        params.n_parallel = self._options.slots
        params.n_ctx = self._options.slots * self._options.context_tokens
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        params.n_gpu_layers = 0
        # Its threads spin while they wait for each other. Two on two cores are a tenth as fast as one as soon
        # as anything else wants to run, and ears and mouth do.
        threads = self._options.threads or max(1, default_threads() - 1)
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_cache_reuse = 16  # a history trimmed at its front shifts the cache instead of voiding it
        params.cache_ram_mib = 0  # its default would grow to 8 GiB
        params.fit_params = params.warmup = False  # seconds that `_load` holds the global lock for nothing
        params.ui = params.endpoint_slots = params.endpoint_props = False
        params.api_keys = [self._key]
        params.verbosity = -1  # it writes to stderr past our logging
        try:
            self._engine = vendor.Server(params)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFileError(
                f"{path} does not load; run `voice-server models verify {self._options.model}`."
            ) from error

    def _free(self) -> None:
        self._engine = None
