"""What a session uses: providers, voice, language, formats, turn-taking; and how a caller's wishes change it.

A wish for something that is not configured is served by the default and told in `notes`; a strict server
refuses it instead.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from voice_server.audio.format import InputEncoding, InputFormat, OutputEncoding, OutputFormat
from voice_server.audio.incoming import open_decoder
from voice_server.audio.outgoing import check_output_format
from voice_server.core.languages import name as language_name
from voice_server.core.languages import nearest, primary, serves
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import (
    Changes,
    InputAudioChanges,
    OutputAudioChanges,
    ToolSpec,
    TurnDetectionChanges,
)
from voice_server.errors import AudioError, ProtocolError
from voice_server.providers.base import (
    LanguageModel,
    Provider,
    SpeechToText,
    SttHints,
    TextToSpeech,
    Voice,
)

P = TypeVar("P", bound=Provider)
S = TypeVar("S", SpeechToText, TextToSpeech)
OfferedTools = Callable[[Sequence[str] | None], Sequence[ToolSpec]]
"""The server's tools that the caller may use, narrowed by patterns."""
AUTO = "auto"
TRANSPORTS = ("json", "binary")
FIXABLE = ("model", "tts_voice", "language_code", "system_prompt", "allowed_tools")


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


class Chooser:
    """Applies a caller's wishes to a choice, collecting what could not be granted.

    Args:
        fixed: what is not the caller's to choose.

    Raises:
        ProtocolError: a wish that makes no sense, a language that no provider serves, or a wish that a strict
            server does not replace.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        offered_tools: OfferedTools = lambda only: (),
        fixed: Changes | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._fixed = fixed
        self._offered_tools = offered_tools
        self._notes: list[str] = []
        self._refuses_languages = True

    def apply(self, choice: Choice, changes: Changes, *, refuses_languages: bool = True) -> Choice:
        """The choice with the wishes granted as far as possible.

        Without `refuses_languages` one that no provider serves is a note too.
        """
        self._notes = []
        changes = self._within_bounds(changes)
        self._refuses_languages = refuses_languages and self._catalogue.has_all_voices
        catalogue = self._catalogue
        stt = self._provider(catalogue.stt, choice.stt, changes.stt_provider, "stt_provider")
        tts = self._provider(catalogue.tts, choice.tts, changes.tts_provider, "tts_provider")
        llm = self._model(choice.llm, changes.model)
        language, languages = choice.language, choice.languages
        if changes.language_code is not None:
            language, languages = self._languages(choice, changes.language_code)
            stt = self._hearing(stt, language, changes.stt_provider, detects=bool(languages))
            if languages and not stt.capabilities.detects_language:
                languages = ()
                self._note(f"no configured provider finds out the language: it is taken for '{language}'.")
            tts = self._speaking(tts, language, changes.tts_provider)
        if changes.template is not None:
            self._note(f"template '{changes.template.name}' is not known: the system prompt stays as it is.")
        allowed = changes.allowed_tools if changes.allowed_tools is not None else choice.allowed_tools
        server_tools = tuple(self._offered_tools(allowed))
        tools = self._tools(changes.tools if changes.tools is not None else choice.tools, server_tools)
        if tools and not llm.capabilities.tools:
            self._note(f"model '{llm.model}' cannot call tools: they are ignored.")
        return replace(
            choice,
            stt=stt,
            llm=llm,
            tts=tts,
            voice=self._voice(
                choice.voice, changes.tts_voice, tts, None if changes.language_code is None else language
            ),
            language=language,
            languages=languages,
            system_prompt=changes.system_prompt or choice.system_prompt,
            input=changed_input(choice.input, changes.input_audio),
            tools=tools,
            server_tools=server_tools,
            allowed_tools=allowed,
            notes=tuple(self._notes),
            **_output(choice, changes.output_audio),
            **_turn_detection(choice, changes.turn_detection),
        )

    def _within_bounds(self, changes: Changes) -> Changes:
        if self._fixed is None:
            return changes
        held = {name: value for name in FIXABLE if (value := getattr(self._fixed, name)) is not None}
        for name, value in held.items():
            if getattr(changes, name) not in (None, value):
                self._note(f"{name} cannot be chosen with this client token.")
        return replace(changes, **held)

    def answering(self, choice: Choice, heard: str) -> Choice:
        """The choice for answering words heard in this language: it changes where the language is found out.

        A language that was not to be expected, or that nobody speaks, changes nothing.
        """
        language = nearest(choice.languages, heard)
        if language is None or primary(language) == primary(choice.language):
            return choice
        if (tts := _able(choice.tts, self._catalogue.tts, language)) is None:
            return choice
        return replace(choice, language=language, tts=tts, voice=_voice_for(language, tts, choice.voice))

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

    def _voice(self, current: Voice, wished: str | None, tts: TextToSpeech, language: str | None) -> Voice:
        """The voice that is wished for, or the present one, or one of the language that is wished for."""
        fallback = _voice_for(language, tts, current)
        if wished is None:
            return fallback
        for voice in tts.capabilities.voices:
            if wished == voice.id:
                return voice
        self._note(f"voice '{wished}' is not configured: '{fallback.id}' speaks.")
        return fallback

    def _languages(self, choice: Choice, wished: str) -> tuple[str, tuple[str, ...]]:
        """The wished-for language; or, if it is to be found out, the likeliest and all it may be."""
        catalogue = self._catalogue
        tags = [tag.strip().replace("_", "-") for tag in wished.split(",") if tag.strip()]
        if not tags:
            return choice.language, choice.languages
        allowed = catalogue.detectable or catalogue.languages
        if tags == [AUTO]:
            tags = [tag for tag in allowed if serves(catalogue.languages, tag)] or [choice.language]
        elif len(tags) == 1:
            return self._served(choice.language, tags[0]), ()
        else:
            tags = list(dict.fromkeys(self._served(choice.language, tag) for tag in tags))
        likeliest = nearest(tags, choice.language) or tags[0]
        return likeliest, (likeliest, *(tag for tag in tags if tag != likeliest))

    def _served(self, current: str, wished: str) -> str:
        """The wished-for language, if some providers understand and speak it."""
        catalogue = self._catalogue
        if serves(catalogue.languages, wished):
            return wished
        served = ", ".join(catalogue.languages)
        if self._refuses_languages:
            raise ProtocolError(
                f"Language '{wished}' cannot be served. Served: {served}.", code="language_not_served"
            )
        self._note(f"language '{wished}' cannot be served: '{current}' is used. Served: {served}.")
        return current

    def _hearing(
        self, current: SpeechToText, language: str, wished: str | None, *, detects: bool
    ) -> SpeechToText:
        known = self._catalogue.stt
        if detects and not current.capabilities.detects_language:
            known = [stt for stt in known if stt.capabilities.detects_language]
            stt = next((stt for stt in known if serves(stt.capabilities.languages, language)), current)
        else:
            stt = _able(current, known, language) or current
        if stt is not current:
            self._tell_of(current, stt, "understand", AUTO if detects else language, wished)
        return stt

    def _speaking(self, current: TextToSpeech, language: str, wished: str | None) -> TextToSpeech:
        tts = _able(current, self._catalogue.tts, language) or current
        if tts is not current:
            self._tell_of(current, tts, "speak", language, wished)
        return tts

    def _tell_of(
        self, current: Provider, other: Provider, does: str, language: str, wished: str | None
    ) -> None:
        sentence = f"'{current.name}' does not {does} the language '{language}': '{other.name}' does."
        if wished == current.name:
            self._note(sentence)
        else:
            self._notes.append(sentence)  # nobody asked for the other, so there is nothing to refuse

    def _tools(self, own: Sequence[ToolSpec], of_server: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        taken = {tool.name for tool in of_server}
        for tool in own:
            if tool.name in taken:
                # Told, never refused: the server's may come up in the middle of a session.
                self._notes.append(f"tool '{tool.name}' is one of the server's own: yours is ignored.")
        return tuple(tool for tool in own if tool.name not in taken)


def _able(current: S, known: Sequence[S], language: str) -> S | None:
    """The present provider if it serves the language, or else the first that does."""
    if serves(current.capabilities.languages, language):
        return current
    return next((one for one in known if serves(one.capabilities.languages, language)), None)


def _voice_for(language: str | None, tts: TextToSpeech, current: Voice) -> Voice:
    """The present voice if it is of this provider and language, or else one that is most like it."""
    voices = tts.capabilities.voices
    # By id: what a vendor says about a voice may have been learned since.
    known = next((voice for voice in voices if voice.id == current.id), None)
    if language is None:
        return known or voices[0]
    able = [voice for voice in voices if serves(voice.languages, language)]
    if known is not None and (known in able or not able):
        return known
    exact = [voice for voice in able if nearest(voice.languages, language) in (language, primary(language))]
    alike = exact or able or list(voices)
    return next((voice for voice in alike if voice.gender == current.gender), alike[0])


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
        "policy": TurnPolicy(
            changes.mode if changes.mode is not None else policy.mode,
            _within("silence_ms", changes.silence_ms, policy.silence_ms, 100, 10_000),
            changes.interrupt if changes.interrupt is not None else policy.interrupt,
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
