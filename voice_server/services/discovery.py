"""What a client may choose from, as it really is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from voice_server.core import languages
from voice_server.providers.base import LanguageModel, Provider, Voice

EXPECTED_MODEL = "gpt-4o"
"""Public clients ask for it unless told otherwise: it is always listed, with whoever really answers."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A language model one may ask for. `context_length` bounds prompt and reply together, in tokens."""

    id: str
    display_name: str
    provider: str
    max_tokens: int
    context_length: int


@dataclass(frozen=True, slots=True)
class Discovery:
    """The configured providers, models, voices and languages; the first model is the default.

    Voices and languages are asked for each time: a vendor's are known only once it is warm. `status` is by
    stage and provider: `ok`, or `troubled` while it fails and is left alone.
    """

    stt: Sequence[Provider]
    llm: Sequence[LanguageModel]
    tts: Sequence[Provider]
    voices: Callable[[], Sequence[Voice]]
    languages: Callable[[], Sequence[str]]
    status: Callable[[], Mapping[str, Mapping[str, str]]]
    default_voice: Voice
    language: str
    max_tokens: int

    @property
    def named_languages(self) -> list[tuple[str, str]]:
        """Codes with names that people read."""
        return [(tag, _named(tag)) for tag in self.languages()]

    @property
    def speech_providers(self) -> dict[str, str]:
        """Everybody who listens or speaks, with what people read; both, where they are one."""
        titles: dict[str, list[str]] = {}
        for one in (*self.stt, *self.tts):
            known = titles.setdefault(one.name, [])
            if one.title not in known:
                known.append(one.title)
        return {name: ", ".join(known) for name, known in titles.items()}

    @property
    def models(self) -> list[ModelFacts]:
        """Every model, the default first."""
        listed: dict[str, ModelFacts] = {}
        for llm in self.llm:
            listed.setdefault(llm.model, self._facts(llm.model, llm.title, llm))
        if EXPECTED_MODEL not in listed:
            title = f"{EXPECTED_MODEL} (answered by {self.llm[0].title})"
            listed[EXPECTED_MODEL] = self._facts(EXPECTED_MODEL, title, self.llm[0])
        return list(listed.values())

    def _facts(self, model: str, title: str, llm: LanguageModel) -> ModelFacts:
        return ModelFacts(model, title, llm.name, self.max_tokens, llm.capabilities.context_tokens)


def _named(tag: str) -> str:
    _, _, region = tag.partition("-")
    name = languages.name(tag)
    return f"{name} ({region})" if region and name != tag else name
