"""What a session uses: providers, voice, language, formats, turn-taking; and how a caller's wishes change it.

A wish for something that is not configured is served by the default and told in `notes`; a strict server
refuses it instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from voice_server.audio.format import InputEncoding, InputFormat, OutputEncoding, OutputFormat
from voice_server.audio.incoming import open_decoder
from voice_server.audio.outgoing import check_output_format
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import (
    Changes,
    InputAudioChanges,
    OutputAudioChanges,
    ToolSpec,
    TurnDetectionChanges,
)
from voice_server.errors import AudioError, ProtocolError
from voice_server.providers.base import LanguageModel, Provider, SpeechToText, TextToSpeech, Voice

P = TypeVar("P", bound=Provider)
TRANSPORTS = ("json", "binary")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The configured providers, the default first in each role."""

    stt: Sequence[SpeechToText]
    llm: Sequence[LanguageModel]
    tts: Sequence[TextToSpeech]
    strict: bool = False

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


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings of a session as they are in force."""

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
    tools: tuple[ToolSpec, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def provider_names(self) -> tuple[tuple[str, str], ...]:
        """Who serves which stage."""
        return (("stt", self.stt.name), ("llm", f"{self.llm.name}/{self.llm.model}"), ("tts", self.tts.name))

    def described(self) -> dict[str, Any]:
        """As the caller is told."""
        return {
            "model": self.llm.model,
            "llm_provider": self.llm.name,
            "stt_provider": self.stt.name,
            "tts_provider": self.tts.name,
            "tts_voice": self.voice.id,
            "language_code": self.language,
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
                "names": [tool.name for tool in self.tools],
            },
            "notes": list(self.notes),
        }


def serves(languages: Sequence[str], wished: str) -> bool:
    """Whether one of these BCP 47 tags covers the wished-for one; a primary tag covers its regions."""
    primary = wished.split("-")[0].lower()
    return any(tag.split("-")[0].lower() == primary for tag in languages)


class Chooser:
    """Applies a caller's wishes to a choice, collecting what could not be granted.

    Raises:
        ProtocolError: a wish that makes no sense, or one that a strict server does not replace.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._notes: list[str] = []

    def apply(self, choice: Choice, changes: Changes) -> Choice:
        """The choice with the wishes granted as far as possible."""
        self._notes = []
        catalogue = self._catalogue
        stt = self._provider(catalogue.stt, choice.stt, changes.stt_provider, "stt_provider")
        tts = self._provider(catalogue.tts, choice.tts, changes.tts_provider, "tts_provider")
        llm = self._model(choice.llm, changes.model)
        language = self._language(choice.language, changes.language_code, stt, tts)
        if changes.template is not None:
            self._note(f"template '{changes.template.name}' is not known: the system prompt stays as it is.")
        tools = changes.tools if changes.tools is not None else choice.tools
        if tools and not llm.capabilities.tools:
            self._note(f"model '{llm.model}' cannot call tools: they are ignored.")
        return replace(
            choice,
            stt=stt,
            llm=llm,
            tts=tts,
            voice=self._voice(choice.voice, changes.tts_voice, tts),
            language=language,
            system_prompt=changes.system_prompt or choice.system_prompt,
            input=changed_input(choice.input, changes.input_audio),
            tools=tools,
            notes=tuple(self._notes),
            **_output(choice, changes.output_audio),
            **_turn_detection(choice, changes.turn_detection),
        )

    def _note(self, sentence: str) -> None:
        if self._catalogue.strict:
            raise ProtocolError(sentence[0].upper() + sentence[1:], code="not_configured")
        self._notes.append(sentence)

    def _provider(self, known: Sequence[P], current: P, wished: str | None, field: str) -> P:
        if wished is None:
            return current
        for provider in known:
            if provider.name == wished:
                return provider
        self._note(f"{field} '{wished}' is not configured: '{current.name}' serves.")
        return current

    def _model(self, current: LanguageModel, wished: str | None) -> LanguageModel:
        if wished is None:
            return current
        for llm in self._catalogue.llm:
            if wished in (llm.model, llm.name):
                return llm
        self._note(f"model '{wished}' is not configured: '{current.model}' answers.")
        return current

    def _voice(self, current: Voice, wished: str | None, tts: TextToSpeech) -> Voice:
        voices = tts.capabilities.voices
        # By id: what a vendor says about a voice may have been learned since.
        fallback = next((voice for voice in voices if voice.id == current.id), voices[0])
        if wished is None:
            return fallback
        for voice in voices:
            if wished == voice.id:
                return voice
        self._note(f"voice '{wished}' is not configured: '{fallback.id}' speaks.")
        return fallback

    def _language(self, current: str, wished: str | None, stt: SpeechToText, tts: TextToSpeech) -> str:
        if wished is None:
            return current
        if serves(stt.capabilities.languages, wished) and serves(tts.capabilities.languages, wished):
            return wished
        served = ", ".join(self._catalogue.languages)
        self._note(f"language '{wished}' cannot be served: '{current}' is used. Served: {served}.")
        return current


def changed_input(current: InputFormat, changes: InputAudioChanges | None) -> InputFormat:
    """The input format with the wishes granted.

    Raises:
        ProtocolError: an unknown format, or a rate or number of channels that makes no sense.
    """
    if changes is None:
        return current
    try:
        encoding = InputEncoding(changes.format) if changes.format is not None else current.encoding
    except ValueError:
        raise _unknown_format("input_audio", changes.format, list(InputEncoding)) from None
    wished = InputFormat(
        encoding,
        changes.sample_rate if changes.sample_rate is not None else current.rate_hz,
        changes.channels if changes.channels is not None else current.channels,
    )
    try:
        open_decoder(wished)
    except AudioError as error:
        raise ProtocolError(error.message, code="bad_format") from error
    return wished


def _output(choice: Choice, changes: OutputAudioChanges | None) -> Mapping[str, Any]:
    if changes is None:
        return {}
    try:
        encoding = OutputEncoding(changes.format) if changes.format is not None else choice.output.encoding
    except ValueError:
        raise _unknown_format("output_audio", changes.format, list(OutputEncoding)) from None
    rate_hz = changes.sample_rate if changes.sample_rate is not None else choice.output.rate_hz
    if encoding is OutputEncoding.MULAW and changes.sample_rate is None:
        rate_hz = 8_000  # the only rate it has
    wished = OutputFormat(encoding, rate_hz)
    try:
        check_output_format(wished)
    except AudioError as error:
        raise ProtocolError(error.message, code="bad_format") from error
    transport = changes.transport if changes.transport is not None else choice.transport
    if transport not in TRANSPORTS:
        raise _unknown_format("output_audio.transport", transport, list(TRANSPORTS))
    return {"output": wished, "transport": transport}


def _turn_detection(choice: Choice, changes: TurnDetectionChanges | None) -> Mapping[str, Any]:
    if changes is None:
        return {}
    policy = choice.policy
    return {
        "policy": replace(
            policy,
            mode=changes.mode if changes.mode is not None else policy.mode,
            silence_ms=_within("silence_ms", changes.silence_ms, policy.silence_ms, 100, 10_000),
            interrupt=changes.interrupt if changes.interrupt is not None else policy.interrupt,
        ),
        "vad_threshold": _within("threshold", changes.threshold, choice.vad_threshold, 0.05, 0.95),
        "prefix_ms": _within("prefix_ms", changes.prefix_ms, choice.prefix_ms, 0, 2_000),
    }


def _within(name: str, wished: float | None, current: float, low: float, high: float) -> float:
    if wished is None:
        return current
    if not low <= wished <= high:
        raise ProtocolError(f"turn_detection.{name} must be from {low:g} to {high:g}.", code="bad_field")
    return wished


def _unknown_format(field: str, wished: object, known: Sequence[str]) -> ProtocolError:
    return ProtocolError(f"{field} '{wished}' is not known; it may be {', '.join(known)}.", code="bad_format")
