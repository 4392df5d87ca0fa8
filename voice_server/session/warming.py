"""Has what a session uses get ready: its providers, and what may have to be said without them."""

import asyncio

from voice_server.core.sentences import sentences_in
from voice_server.errors import VoiceServerError
from voice_server.providers.base import Provider
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.choice import Choice


class Warming:
    """The providers of a choice, getting ready."""

    def __init__(self, choice: Choice) -> None:
        providers: list[Provider] = [choice.stt, choice.llm, choice.tts]
        self._waits: list[asyncio.Future[None]] = [asyncio.ensure_future(one.warm()) for one in providers]

    async def takes_time(self) -> bool:
        """Whether they are not ready at once."""
        await asyncio.wait(self._waits, timeout=0)
        return not all(one.done() for one in self._waits)

    async def troubles(self) -> list[VoiceServerError]:
        """Wait for them; gives why some are not ready."""
        outcomes = await asyncio.gather(*self._waits, return_exceptions=True)
        troubles = [one for one in outcomes if isinstance(one, VoiceServerError)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, VoiceServerError):
                raise outcome
        return troubles


async def learn_sentences(phrases: Phrases | None, choice: Choice) -> None:
    """Have what the server may have to say ready in the voice of this choice."""
    if phrases is not None:
        await phrases.learn(choice.tts, choice.spoken_voice, sentences_in(choice.language))
