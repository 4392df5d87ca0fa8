"""What can be said without a voice is rendered while there is one."""

from voice_server.app.providers import provider_options
from voice_server.core.sentences import sentences_in
from voice_server.errors import ConfigurationError
from voice_server.providers import registry
from voice_server.providers.resilient.languages import voice_like
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.choice import Choice
from voice_server.settings import Settings


async def prerender(phrases: Phrases, default: Choice, settings: Settings) -> None:
    """Have the sentences of the default language rendered, by the default voice if it can."""
    texts, voice = sentences_in(default.language), default.spoken_voice
    if await phrases.learn(default.tts, voice, texts) or "local" in settings.tts:
        return
    try:  # a voice of this machine says it, if there is one that speaks the language
        spare = registry.load("tts", "local", provider_options(settings, "tts", "local"))
    except ConfigurationError:
        return
    try:
        if (like := voice_like(voice, spare.capabilities.voices)) is not None:
            await phrases.learn(spare, like, texts)
    finally:
        await spare.close()
