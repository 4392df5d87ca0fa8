"""Which language a session is in, and who understands and speaks it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from voice_server.core.languages import nearest, primary, serves
from voice_server.errors import ProtocolError
from voice_server.providers.base import Provider, SpeechToText, TextToSpeech, Voice
from voice_server.session.choice import AUTO, Catalogue, Choice
from voice_server.session.notes import Notes

S = TypeVar("S", SpeechToText, TextToSpeech)


class Languages:
    """Finds who serves the language that is wished for.

    Args:
        refuses: whether a language that no provider serves is refused; else it is a note.
    """

    def __init__(self, catalogue: Catalogue, notes: Notes, *, refuses: bool) -> None:
        self._catalogue = catalogue
        self._notes = notes
        self._refuses = refuses

    def wished(self, choice: Choice, wished: str) -> tuple[str, tuple[str, ...]]:
        """The wished-for language; or, if it is to be found out, the likeliest and all it may be.

        Raises:
            ProtocolError: nobody serves it.
        """
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

    def hearing(
        self, current: SpeechToText, language: str, wished: str | None, *, detects: bool
    ) -> SpeechToText:
        """Who understands the language; where it is to be found out, who can do that."""
        known = self._catalogue.stt
        if detects and not current.capabilities.detects_language:
            known = [stt for stt in known if stt.capabilities.detects_language]
            stt = next((stt for stt in known if serves(stt.capabilities.languages, language)), current)
        else:
            stt = _able(current, known, language) or current
        if stt is not current:
            self._tell_of(current, stt, "understand", AUTO if detects else language, wished)
        return stt

    def speaking(self, current: TextToSpeech, language: str, wished: str | None) -> TextToSpeech:
        """Who speaks the language."""
        tts = _able(current, self._catalogue.tts, language) or current
        if tts is not current:
            self._tell_of(current, tts, "speak", language, wished)
        return tts

    def _served(self, current: str, wished: str) -> str:
        """The wished-for language, if some providers understand and speak it."""
        catalogue = self._catalogue
        if serves(catalogue.languages, wished):
            return wished
        served = ", ".join(catalogue.languages)
        if self._refuses:
            raise ProtocolError(
                f"Language '{wished}' cannot be served. Served: {served}.", code="language_not_served"
            )
        self._notes.concede(f"language '{wished}' cannot be served: '{current}' is used. Served: {served}.")
        return current

    def _tell_of(
        self, current: Provider, other: Provider, does: str, language: str, wished: str | None
    ) -> None:
        sentence = f"'{current.name}' does not {does} the language '{language}': '{other.name}' does."
        if wished == current.name:
            self._notes.concede(sentence)
        else:
            self._notes.tell(sentence)  # nobody asked for the other, so there is nothing to refuse


def answering(catalogue: Catalogue, choice: Choice, heard: str) -> Choice:
    """The choice for answering words heard in this language: it changes where the language is found out.

    A language that was not to be expected, or that nobody speaks, changes nothing.
    """
    language = nearest(choice.languages, heard)
    if language is None or primary(language) == primary(choice.language):
        return choice
    if (tts := _able(choice.tts, catalogue.tts, language)) is None:
        return choice
    return replace(choice, language=language, tts=tts, voice=voice_for(language, tts, choice.voice))


def voice_for(language: str | None, tts: TextToSpeech, current: Voice) -> Voice:
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


def _able(current: S, known: Sequence[S], language: str) -> S | None:
    """The present provider if it serves the language, or else the first that does."""
    if serves(current.capabilities.languages, language):
        return current
    return next((one for one in known if serves(one.capabilities.languages, language)), None)
