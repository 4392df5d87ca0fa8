"""What a session uses: providers, voice, language, formats, turn-taking."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from voice_server.audio.format import InputFormat, OutputFormat
from voice_server.core.languages import name as language_name
from voice_server.core.languages import primary, serves
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import ToolSpec
from voice_server.providers.base import LanguageModel, SpeechToText, SttHints, TextToSpeech, Voice

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The configured providers, the default first in each role.

    `detectable`: the languages among which a caller's may be found out; empty: all of `languages`.
    """

    stt: Sequence[SpeechToText]
    llm: Sequence[LanguageModel]
    tts: Sequence[TextToSpeech]
    strict: bool = False
    detectable: tuple[str, ...] = ()

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Every voice of every provider."""
        return tuple(voice for tts in self.tts for voice in tts.capabilities.voices)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that can be both understood and spoken, as the voices name them."""
        heard = [tag for stt in self.stt for tag in stt.capabilities.languages]
        spoken = [tag for tts in self.tts for tag in tts.capabilities.languages]
        return tuple(tag for tag in dict.fromkeys(spoken) if serves(heard, tag))

    @property
    def has_all_voices(self) -> bool:
        """Whether every provider has told all its voices; before that, more languages may turn up."""
        return all(tts.capabilities.has_all_voices for tts in self.tts)


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of a session as they are in force.

    `languages`: where the language is found out turn by turn, those it may be, the present one first. `tools`
    are the client's, `server_tools` those of the server that the caller may use.
    """

    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech
    voice: Voice
    language: str
    system_prompt: str
    temperature: float | None = None
    max_tokens: int | None = None
    input: InputFormat = InputFormat()
    output: OutputFormat = OutputFormat()
    transport: str = "json"
    policy: TurnPolicy = TurnPolicy()
    vad_threshold: float = 0.5
    prefix_ms: float = 300.0
    languages: tuple[str, ...] = ()
    prompt_language: str = "en-US"
    tools: tuple[ToolSpec, ...] = ()
    server_tools: tuple[ToolSpec, ...] = ()
    allowed_tools: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def spoken_voice(self) -> Voice:
        """The voice, with the one language that it is to speak."""
        return replace(self.voice, languages=(self.language,))

    @property
    def provider_names(self) -> tuple[tuple[str, str], ...]:
        """Who serves which stage."""
        return (("stt", self.stt.name), ("llm", f"{self.llm.name}/{self.llm.model}"), ("tts", self.tts.name))

    @property
    def stt_hints(self) -> SttHints:
        """What the recogniser is told of the language."""
        return SttHints(None, self.languages) if self.languages else SttHints(self.language)

    @property
    def language_instruction(self) -> str:
        """What the model is told of the language; nothing where all is in English, which models expect."""
        is_plain = not self.languages and primary(self.language) == primary(self.prompt_language) == "en"
        return "" if is_plain else f"Answer in {language_name(self.language)}."

    @property
    def all_tools(self) -> tuple[ToolSpec, ...]:
        """What the model may call."""
        return (*self.server_tools, *self.tools)

    def described(self) -> dict[str, Any]:
        """As the caller is told."""
        return {
            "model": self.llm.model,
            "llm_provider": self.llm.name,
            "stt_provider": self.stt.name,
            "tts_provider": self.tts.name,
            "tts_voice": self.voice.id,
            "language_code": AUTO if self.languages else self.language,
            "input_audio": {
                "format": self.input.encoding.value,
                "sample_rate": self.input.rate_hz,
                "channels": self.input.channels,
            },
            "output_audio": {
                "format": self.output.encoding.value,
                "sample_rate": self.output.rate_hz,
                "transport": self.transport,
            },
            "turn_detection": {
                "mode": self.policy.mode.value,
                "threshold": self.vad_threshold,
                "silence_ms": self.policy.silence_ms,
                "prefix_ms": self.prefix_ms,
                "interrupt": self.policy.interrupt,
            },
            "tools": {
                "supported": self.llm.capabilities.tools,
                "names": [tool.name for tool in self.all_tools],
            },
            "notes": list(self.notes),
        }
