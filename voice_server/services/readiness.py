"""How far the models of the default chain are."""

import asyncio
from collections.abc import Mapping

import structlog

from voice_server.errors import VoiceServerError
from voice_server.providers.base import Provider

log = structlog.get_logger()


class Readiness:
    """Warms the default provider of each stage, and tells how it went."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self.stages: dict[str, str] = dict.fromkeys(providers, "warming")
        self._done = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether every stage can serve."""
        return all(state == "ready" for state in self.stages.values())

    async def wait(self) -> None:
        """Until every stage is ready or has failed."""
        await self._done.wait()

    async def warm(self) -> None:
        """Warm all stages at once."""
        await asyncio.gather(*(self._warm(stage, one) for stage, one in self._providers.items()))
        self._done.set()
        if self.is_ready:
            log.info("ready")

    async def _warm(self, stage: str, provider: Provider) -> None:
        began_s = asyncio.get_running_loop().time()
        try:
            await provider.warm()
        except VoiceServerError as error:
            self.stages[stage] = f"failed: {error.message}"
            log.error("stage failed to warm", stage=stage, provider=provider.name, reason=error.message)
            return
        except Exception:  # of a provider that breaks the rules: the other stages, and who waits, go on
            self.stages[stage] = "failed: The provider broke."
            log.exception("stage broke while it warmed", stage=stage, provider=provider.name)
            return
        self.stages[stage] = "ready"
        took_s = asyncio.get_running_loop().time() - began_s
        log.info("stage warm", stage=stage, provider=provider.name, seconds=round(took_s, 1))
