"""How a caller's wishes change what a session uses.

A wish for something that is not configured is served by the default and told in `notes`; a strict server
refuses it instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from voice_server.core.wire import Changes, ToolSpec
from voice_server.providers.base import LanguageModel, Provider, TextToSpeech, Voice
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.detection import changed_detection
from voice_server.session.formats import changed_input, changed_output
from voice_server.session.languages import Languages, answering, voice_for
from voice_server.session.notes import Notes

P = TypeVar("P", bound=Provider)
OfferedTools = Callable[[Sequence[str] | None], Sequence[ToolSpec]]
"""The server's tools that the caller may use, narrowed by patterns."""
FIXABLE = ("model", "tts_voice", "language_code", "system_prompt", "allowed_tools")


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

    def apply(self, choice: Choice, changes: Changes, *, refuses_languages: bool = True) -> Choice:
        """The choice with the wishes granted as far as possible.

        Without `refuses_languages` one that no provider serves is a note too.
        """
        catalogue = self._catalogue
        notes = Notes(strict=catalogue.strict)
        languages_of = Languages(catalogue, notes, refuses=refuses_languages and catalogue.has_all_voices)
        changes = self._within_bounds(changes, notes)
        stt = _provider(catalogue.stt, choice.stt, changes.stt_provider, "stt_provider", notes)
        tts = _provider(catalogue.tts, choice.tts, changes.tts_provider, "tts_provider", notes)
        llm = self._model(choice.llm, changes.model, notes)
        language, languages = choice.language, choice.languages
        if changes.language_code is not None:
            language, languages = languages_of.wished(choice, changes.language_code)
            stt = languages_of.hearing(stt, language, changes.stt_provider, detects=bool(languages))
            if languages and not stt.capabilities.detects_language:
                languages = ()
                notes.concede(f"no configured provider finds out the language: it is taken for '{language}'.")
            tts = languages_of.speaking(tts, language, changes.tts_provider)
        if changes.template is not None:
            notes.concede(
                f"template '{changes.template.name}' is not known: the system prompt stays as it is."
            )
        allowed = changes.allowed_tools if changes.allowed_tools is not None else choice.allowed_tools
        server_tools = tuple(self._offered_tools(allowed))
        tools = _tools(changes.tools if changes.tools is not None else choice.tools, server_tools, notes)
        if tools and not llm.capabilities.tools:
            notes.concede(f"model '{llm.model}' cannot call tools: they are ignored.")
        voice = _voice(
            voice_for(None if changes.language_code is None else language, tts, choice.voice),
            changes.tts_voice,
            tts,
            notes,
        )
        incoming = changed_input(choice.input, changes.input_audio)
        output, transport = changed_output(choice.output, choice.transport, changes.output_audio)
        return replace(
            choice,
            stt=stt,
            llm=llm,
            tts=tts,
            voice=voice,
            language=language,
            languages=languages,
            system_prompt=changes.system_prompt or choice.system_prompt,
            input=incoming,
            output=output,
            transport=transport,
            tools=tools,
            server_tools=server_tools,
            allowed_tools=allowed,
            notes=notes.sentences,
            **changed_detection(choice, changes.turn_detection),
        )

    def answering(self, choice: Choice, heard: str) -> Choice:
        """The choice for answering words heard in this language."""
        return answering(self._catalogue, choice, heard)

    def _within_bounds(self, changes: Changes, notes: Notes) -> Changes:
        if self._fixed is None:
            return changes
        held = {name: value for name in FIXABLE if (value := getattr(self._fixed, name)) is not None}
        for name, value in held.items():
            if getattr(changes, name) not in (None, value):
                notes.concede(f"{name} cannot be chosen with this client token.")
        return replace(changes, **held)

    def _model(self, current: LanguageModel, wished: str | None, notes: Notes) -> LanguageModel:
        if wished is None:
            return current
        for llm in self._catalogue.llm:
            if wished in (llm.model, llm.name):
                return llm
        notes.concede(f"model '{wished}' is not configured: '{current.model}' answers.")
        return current


def _provider(known: Sequence[P], current: P, wished: str | None, field: str, notes: Notes) -> P:
    if wished is None:
        return current
    for provider in known:
        if provider.name == wished:
            return provider
    notes.concede(f"{field} '{wished}' is not configured: '{current.name}' serves.")
    return current


def _voice(fallback: Voice, wished: str | None, tts: TextToSpeech, notes: Notes) -> Voice:
    if wished is None:
        return fallback
    for voice in tts.capabilities.voices:
        if wished == voice.id:
            return voice
    notes.concede(f"voice '{wished}' is not configured: '{fallback.id}' speaks.")
    return fallback


def _tools(own: Sequence[ToolSpec], of_server: Sequence[ToolSpec], notes: Notes) -> tuple[ToolSpec, ...]:
    taken = {tool.name for tool in of_server}
    for tool in own:
        if tool.name in taken:
            # Told, never refused: the server's may come up in the middle of a session.
            notes.tell(f"tool '{tool.name}' is one of the server's own: yours is ignored.")
    return tuple(tool for tool in own if tool.name not in taken)
