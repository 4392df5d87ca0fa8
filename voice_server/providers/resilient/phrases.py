"""Sentences that were rendered while there was a voice, to be heard when there is none."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from voice_server.audio.resample import resample_clip
from voice_server.errors import VoiceServerError
from voice_server.providers.base import TextToSpeech, Voice

log = structlog.get_logger()

MOST_SOUNDS = 200
"""About 25 MB; the oldest are forgotten first."""
RENDERING_S = 30.0


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM16 mono."""

    pcm: bytes
    rate_hz: int

    def at(self, rate_hz: int) -> bytes:
        """Its PCM at another rate."""
        return resample_clip(self.pcm, self.rate_hz, rate_hz)


class Phrases:
    """Sounds by voice and text, shared by all sessions."""

    def __init__(self) -> None:
        self._sounds: dict[tuple[str, str, str], Sound] = {}
        self._rendering = asyncio.Lock()

    def sound_of(self, text: str, voice: Voice | None = None) -> Sound | None:
        """`text` in this voice, or where there is none given, in any."""
        if voice is not None:
            return self._sounds.get((voice.provider, voice.id, text))
        return next((sound for (_, _, said), sound in self._sounds.items() if said == text), None)

    async def learn(self, tts: TextToSpeech, voice: Voice, texts: Sequence[str]) -> bool:
        """Render what is not there yet; gives whether all of it is there now.

        One at a time, so that nobody who speaks has to wait for long.
        """
        async with self._rendering:
            for text in texts:
                if self.sound_of(text, voice) is not None:
                    continue
                try:
                    async with asyncio.timeout(RENDERING_S):
                        pcm = await _spoken(tts, voice, text)
                except (VoiceServerError, TimeoutError) as error:
                    log.warning("phrase not rendered", provider=tts.name, error=type(error).__name__)
                    return False
                if pcm:
                    self._sounds[(voice.provider, voice.id, text)] = Sound(pcm, tts.capabilities.rate_hz)
            while len(self._sounds) > MOST_SOUNDS:
                del self._sounds[next(iter(self._sounds))]
        return True


async def _spoken(tts: TextToSpeech, voice: Voice, text: str) -> bytes:
    async def whole() -> AsyncIterator[str]:
        yield text

    async with aclosing(tts.speak(whole(), voice)) as chunks:
        return b"".join([chunk.pcm async for chunk in chunks])
