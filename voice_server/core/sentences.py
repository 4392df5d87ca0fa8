"""What the server itself has to say, in the language of the conversation; never a part of history."""

from enum import Enum


class Sentence(Enum):
    """Why it speaks."""

    NOT_HEARD = 0
    NO_ANSWER = 1
    NO_VOICE = 2
    ONE_MOMENT = 3
    FILLER = 4

    def in_language(self, language: str) -> str:
        """Its words in the language of a BCP 47 tag; English where we know no better."""
        return _WORDS.get(language.split("-")[0].lower(), _WORDS["en"])[self.value]


def sentences_in(language: str) -> list[str]:
    """All that may have to be said, those first that matter most."""
    return [one.in_language(language) for one in Sentence]


_WORDS = {
    "en": (
        "Sorry, I could not make that out. Please say it again.",
        "Sorry, I can't answer that just now. Please try again.",
        "Sorry, my voice failed me. Please try again.",
        "One moment, please.",
        "Let me see.",
    ),
    "de": (
        "Entschuldigung, das habe ich nicht verstanden. Bitte sagen Sie es noch einmal.",
        "Entschuldigung, das kann ich gerade nicht beantworten. Bitte versuchen Sie es noch einmal.",
        "Entschuldigung, meine Stimme hat versagt. Bitte versuchen Sie es noch einmal.",
        "Einen Moment, bitte.",
        "Mal sehen.",
    ),
    "es": (
        "Perdón, no lo he entendido. Repítalo, por favor.",
        "Perdón, ahora mismo no puedo responder. Inténtelo de nuevo, por favor.",
        "Perdón, me ha fallado la voz. Inténtelo de nuevo, por favor.",
        "Un momento, por favor.",
        "Vamos a ver.",
    ),
    "fr": (
        "Pardon, je n'ai pas compris. Répétez, s'il vous plaît.",
        "Pardon, je ne peux pas répondre pour le moment. Réessayez, s'il vous plaît.",
        "Pardon, ma voix m'a lâché. Réessayez, s'il vous plaît.",
        "Un instant, s'il vous plaît.",
        "Voyons.",
    ),
    "it": (
        "Scusi, non ho capito. Lo ripeta, per favore.",
        "Scusi, al momento non posso rispondere. Riprovi, per favore.",
        "Scusi, mi è mancata la voce. Riprovi, per favore.",
        "Un momento, per favore.",
        "Vediamo.",
    ),
    "nl": (
        "Sorry, dat heb ik niet verstaan. Zeg het alstublieft nog eens.",
        "Sorry, dat kan ik nu niet beantwoorden. Probeer het alstublieft nog eens.",
        "Sorry, mijn stem liet me in de steek. Probeer het alstublieft nog eens.",
        "Een ogenblik, alstublieft.",
        "Even kijken.",
    ),
    "pl": (
        "Przepraszam, nie zrozumiałem. Proszę powtórzyć.",
        "Przepraszam, nie mogę teraz odpowiedzieć. Proszę spróbować ponownie.",
        "Przepraszam, zawiódł mnie głos. Proszę spróbować ponownie.",
        "Chwileczkę, proszę.",
        "Zobaczmy.",
    ),
    "pt": (
        "Desculpe, não percebi. Repita, por favor.",
        "Desculpe, não posso responder agora. Tente novamente, por favor.",
        "Desculpe, a minha voz falhou. Tente novamente, por favor.",
        "Um momento, por favor.",
        "Vejamos.",
    ),
    "sv": (
        "Förlåt, jag uppfattade inte det. Säg det igen, tack.",
        "Förlåt, jag kan inte svara just nu. Försök igen, tack.",
        "Förlåt, rösten svek mig. Försök igen, tack.",
        "Ett ögonblick, tack.",
        "Låt mig se.",
    ),
}
