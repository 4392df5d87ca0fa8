"""A few words of some languages: those that say "I am listening", that are a whole answer, that open more.

The lists are short on purpose. A word that may also end a sentence is no word that opens more: German "an"
ends "Mach das Licht an". Of a language that is not here, only the sound and the punctuation are believed.
"""

from dataclasses import dataclass

from voice_server.core.languages import primary

__all__ = ["Vocabulary", "vocabulary_of"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words in lower case. `nods`, and `nod_phrases` of several words, are signs of listening; `answers`
    begin an answer of one or two words; what ends on one of `opening` goes on."""

    nods: frozenset[str]
    nod_phrases: frozenset[str]
    answers: frozenset[str]
    opening: frozenset[str] = frozenset()


def vocabulary_of(language: str | None) -> Vocabulary:
    """The words of a language (BCP 47; None: English); where none are known, sounds of listening only."""
    return _VOCABULARIES.get(primary(language or "en"), _SOUNDS)


def _vocabulary(*, nods: str, phrases: str, answers: str, opening: str = "") -> Vocabulary:
    listed = frozenset(phrase.strip() for phrase in phrases.split(",")) - {""}
    return Vocabulary(_HUMS | _set(nods), listed, _set(answers), _set(opening))


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_HUMS = _set("uh huh uhhuh mm mmm mhm hm hmm mmhmm aha ah oh okay ok")
_SOUNDS = Vocabulary(_HUMS, frozenset(), frozenset())

_VOCABULARIES = {
    # What opens more in English is a matter of more than lists: `core.english`.
    "en": _vocabulary(
        nods="yeah yes yep yup right sure cool great nice wow true exactly alright fine good"
        " interesting indeed absolutely",
        phrases="i see, got it, all right, of course, go on, makes sense, that makes sense, oh i see",
        answers="yes yeah yep no nope okay ok sure thanks stop wait hello hi hey bye goodbye right exactly"
        " correct never always please",
    ),
    "de": _vocabulary(
        nods="ja jaja genau stimmt klar gut richtig super toll schön natürlich verstehe achso",
        phrases="alles klar, ich verstehe, ach so, na klar, sehr gut, ah ja, das stimmt, mach weiter",
        answers="ja jawohl nein nee doch okay ok danke bitte stopp stop halt warte hallo hi tschüss genau"
        " richtig niemals immer",
        opening="und oder aber sondern weil dass wenn ob obwohl bevor falls meinen meinem meiner meines"
        " deinen deinem deiner unserem unserer zum zur vom im ins beim für von gegen ohne wegen"
        " zwischen sehr äh ähm",
    ),
    "fr": _vocabulary(
        nods="oui ouais d'accord bien exactement voilà super entendu",
        phrases="très bien, je vois, ah bon, bien sûr, c'est vrai, c'est ça, je comprends, ça marche, ah oui",
        answers="oui ouais non si merci d'accord stop arrête arrêtez attends attendez bonjour salut"
        " jamais toujours exactement okay ok",
        opening="et ou mais que parce car le la les une des du de au aux dans sans chez mon ma mes ton ta"
        " tes notre votre leurs nos vos très quand je tu euh heu",
    ),
    "es": _vocabulary(
        nods="sí si claro vale bien bueno ajá ya exacto cierto entiendo",
        phrases="de acuerdo, ya veo, muy bien, por supuesto, está bien, así es",
        answers="sí si no claro vale gracias para pare espera espere alto basta hola adiós nunca siempre"
        " exacto okay ok",
        opening="y e o u pero porque que el los las un de del al con por para sin sobre mi mis tu tus su"
        " sus muy cuando donde aunque eh",
    ),
    "it": _vocabulary(
        nods="sì si certo bene d'accordo esatto capito giusto già certamente capisco",
        phrases="va bene, ho capito, molto bene, è vero, ah sì, tutto chiaro",
        answers="sì si no certo grazie ferma fermati basta aspetta aspetti stop ciao mai sempre esatto"
        " okay ok",
        opening="e ed o ma perché che se il lo la i gli le un di del della dei delle a al alla ai da dal"
        " dalla in nel nella con per tra fra quando ehm",
    ),
    "pt": _vocabulary(
        nods="sim certo tá claro exato isso pois entendi entendo bem",
        phrases="tá bom, está bem, está bom, pois é, tudo bem, com certeza, muito bem, já entendi, é verdade",
        answers="sim não claro obrigado obrigada pare para espera espere basta olá oi tchau nunca sempre"
        " exato okay ok",
        opening="e ou mas porque que se o os as um de do da dos das em no na nos nas com por para pelo"
        " pela sem sobre ao à quando embora",
    ),
}
