"""A language model on this machine, on llama.cpp."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from voice_server.errors import ConfigurationError, ModelFileError, ProviderError
from voice_server.providers.base import (
    ChatMessage,
    LlmCapabilities,
    ReplyDelta,
    ReplyRequest,
    ReplyUsage,
    TextDelta,
)
from voice_server.providers.local.event_stream import HttpStatusError
from voice_server.providers.local.llama_engine import LlamaEngine, LlamaOptions
from voice_server.providers.local.weights import WeightStore

_TITLES = {
    "qwen-1.5b": "Qwen2.5-Coder 1.5B (this machine)",
    "qwen-0.5b": "Qwen2.5-Coder 0.5B (this machine)",
    "smollm2": "SmolLM2 135M (this machine)",
}
_TEMPERATURE = 0.4
_LONGEST_REPLY_TOKENS = 512


def create(options: Mapping[str, Any]) -> "LlamaLanguageModel":
    """The entry point `voice_server.llm: local`.

    `options`: `weights` (a WeightStore), and the fields of `LlamaOptions`.
    """
    fields = {name: options[name] for name in LlamaOptions.__slots__ if name in options}
    return LlamaLanguageModel(options.get("weights") or WeightStore(), LlamaOptions(**fields))


class LlamaLanguageModel:
    """A `LanguageModel`. Replies beyond the slots wait for a free one.

    None of the models emits tool calls one could rely on (they write JSON as text, or call for a joke), so
    `capabilities.tools` is false.
    """

    name = "local"

    def __init__(self, weights: WeightStore, options: LlamaOptions) -> None:
        if options.model not in _TITLES:
            raise ConfigurationError(
                f"there is no local language model {options.model!r}; known are {', '.join(_TITLES)}."
            )
        self.model = options.model
        self.title = _TITLES[options.model]
        self.capabilities = LlmCapabilities(tools=False, context_tokens=options.context_tokens)
        self._options = options
        self.engine = LlamaEngine(weights, options)
        self._warming = asyncio.Lock()
        self._is_warm = False

    async def warm(self) -> None:
        async with self._warming:
            if self._is_warm:
                return
            await self.engine.start()
            if self._options.warm_prompt:
                system = {"role": "system", "content": self._options.warm_prompt}
                await asyncio.gather(*(self._read_ahead(system) for _ in range(self._options.slots)))
            self._is_warm = True

    async def close(self) -> None:
        async with self._warming:
            self._is_warm = False
            await self.engine.stop()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        """Stream the reply; closing the generator stops the generation within one batch of the prompt."""
        await self.warm()
        payload = {
            "messages": [_message(message) for message in request.messages],
            "temperature": _TEMPERATURE if request.temperature is None else request.temperature,
            "max_tokens": request.max_tokens or _LONGEST_REPLY_TOKENS,
        }
        events = self.engine.events(payload)
        try:
            async for event in events:
                if choices := event.get("choices"):
                    if text := choices[0]["delta"].get("content"):
                        yield TextDelta(text)
                elif usage := event.get("usage"):
                    yield ReplyUsage(usage["prompt_tokens"], usage["completion_tokens"])
        except HttpStatusError as error:
            raise self._refused(error) from error
        except (OSError, EOFError, ValueError, LookupError) as error:
            raise ProviderError("the local language model broke off its answer.", stage="llm") from error
        finally:
            await events.aclose()

    async def _read_ahead(self, system: Mapping[str, str]) -> None:
        """Leave the system prompt in the cache of a slot that is free: every conversation begins with it."""
        payload = {"messages": [system, {"role": "user", "content": "Hi"}], "max_tokens": 1}
        try:
            async for _ in self.engine.events(payload):
                pass
        except (HttpStatusError, OSError, EOFError, ValueError) as error:
            raise ModelFileError(
                f"the model {self.model} loads but does not answer ({error}); run `voice-server models "
                f"verify {self.model}`, and shorten the system prompt if it is near "
                f"{self._options.context_tokens} tokens."
            ) from error

    def _refused(self, error: HttpStatusError) -> ProviderError:
        detail = error.body.get("error", error.body) if isinstance(error.body, dict) else error.body
        if isinstance(detail, dict) and detail.get("type") == "exceed_context_size_error":
            return ProviderError(
                f"the conversation is longer than the {self._options.context_tokens} tokens that the local "
                "model can read.",
                stage="llm",
                retryable=False,
            )
        return ProviderError(
            "the local language model refused the request.", stage="llm", retryable=error.status >= 500
        )


def _message(message: ChatMessage) -> dict[str, str]:
    # A conversation begun with a model that has tools may go on here.
    if message.role == "tool":
        return {"role": "user", "content": f"(A tool answered: {message.content})"}
    return {"role": message.role, "content": message.content}
