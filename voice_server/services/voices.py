"""Keeps the lists of vendors' voices fresh."""

import asyncio
from collections.abc import Sequence

import structlog

from voice_server.errors import VoiceServerError
from voice_server.providers.base import TextToSpeech, VoiceLister

log = structlog.get_logger()


class VoiceLists:
    """Asks the providers that can tell their voices, every `every_s`; 0 asks once."""

    def __init__(self, providers: Sequence[TextToSpeech], every_s: float) -> None:
        self._providers = providers
        self._every_s = every_s

    async def keep(self) -> None:
        """Until cancelled: first those that have not told yet, then all, again and again."""
        await self._refresh([one for one in self._providers if not one.capabilities.has_all_voices])
        while self._every_s:
            await asyncio.sleep(self._every_s)
            await self._refresh(self._providers)

    async def _refresh(self, providers: Sequence[TextToSpeech]) -> None:
        for one in providers:
            if isinstance(one, VoiceLister):
                try:
                    await one.refresh_voices()
                except VoiceServerError as error:
                    log.warning("the voices cannot be listed", provider=one.name, code=error.code)
