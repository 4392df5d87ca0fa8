"""Answers with the caller's own words."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from voice_server.errors import ProviderError
from voice_server.providers.base import LlmCapabilities, ReplyDelta, ReplyRequest, TextDelta


def create(options: Mapping[str, Any]) -> "Parrot":
    """Called once, when the server starts; `options` holds the `language`."""
    return Parrot()


class Parrot:
    name = "parrot"  # in settings, discovery and metrics
    title = "Parrot"  # in menus
    model = "parrot-1"
    capabilities = LlmCapabilities(tools=False, context_tokens=8192)

    async def warm(self) -> None:
        """Load or connect here what is slow."""

    async def close(self) -> None:
        """Free it."""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta, None]:
        said = [message.content for message in request.messages if message.role == "user"]
        if not said:
            raise ProviderError("The parrot has heard nothing yet.", stage="llm", retryable=False)
        for word in said[-1].split():
            yield TextDelta(f"{word} ")
