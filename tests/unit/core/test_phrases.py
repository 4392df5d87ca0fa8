"""What words alone give away."""

import pytest

from tests.unit.core.clauses import FINISHED, UNFINISHED
from voice_server.core.phrases import Phrase, is_echo, is_invented, is_nod, phrase_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        (None, Phrase.UNKNOWN),
        (" ", Phrase.UNKNOWN),
        ("Do you know what the", Phrase.OPEN),
        ("I would like to go to Paris and", Phrase.OPEN),
        ("I would like to go to Paris and.", Phrase.OPEN),
        ("Because it was late,", Phrase.OPEN),
        ("I was thinking...", Phrase.OPEN),
        ("Um,", Phrase.OPEN),
        ("I am", Phrase.OPEN),
        ("What are you talking about?", Phrase.QUESTION),
        ("Do you know what the largest planet is?", Phrase.QUESTION),
        ("What is two plus two?", Phrase.QUESTION),
        ("What is the capital of France", Phrase.QUESTION),
        ("Yes.", Phrase.ANSWER),
        ("No.", Phrase.ANSWER),
        ("Yes, please.", Phrase.ANSWER),
        ("I do not think so.", Phrase.STATEMENT),
        ("Tell me a story.", Phrase.STATEMENT),
        ("I was born in 1985.", Phrase.STATEMENT),
        ("My phone number is 555", Phrase.DICTATION),
        ("It's 4, 7, 1.", Phrase.DICTATION),
        ("555-0134", Phrase.DICTATION),
        ("My phone number is 555 013 4277.", Phrase.STATEMENT),
        ("It is spelled J-O-H", Phrase.DICTATION),
        ("S, M, I", Phrase.DICTATION),
        ("Is it 4 or 5?", Phrase.QUESTION),
        ("What will the weather be like in?", Phrase.DOUBTFUL),
    ],
)
def test_what_a_phrase_is(text: str | None, phrase: Phrase) -> None:
    assert phrase_of(text) is phrase


GOES_ON = (Phrase.OPEN, Phrase.DOUBTFUL, Phrase.DICTATION)
TAKEN_FOR_WHOLE = {"How would you", "The answer is not", "What we could do, I mean"}
TAKEN_FOR_CUT_OFF = {"What is the weather like?", "Who said that?", "I never said that."} | {
    "Ask him who he was with.", "Yes, I am.", "Once a week.",
}  # fmt: skip


@pytest.mark.parametrize("mark", ["", "."])
def test_clauses_that_were_cut_off(mark: str) -> None:
    missed = {text for text in UNFINISHED if phrase_of(text + mark) not in GOES_ON}
    assert len(UNFINISHED) >= 60 and missed == TAKEN_FOR_WHOLE


def test_clauses_that_are_whole() -> None:
    held_up = {text for text in FINISHED if phrase_of(text) in GOES_ON}
    assert len(FINISHED) >= 60 and held_up == TAKEN_FOR_CUT_OFF


@pytest.mark.parametrize(
    ("text", "language", "phrase"),
    [
        ("Ich möchte einen Tisch für", "de-DE", Phrase.OPEN),
        ("Mach bitte das Licht an.", "de", Phrase.STATEMENT),
        ("Ich will das.", "de", Phrase.STATEMENT),
        ("Nein, danke.", "de-AT", Phrase.ANSWER),
        ("Warte!", "de", Phrase.ANSWER),
        ("Ja,", "de", Phrase.OPEN),
        ("Wo ist das?", "de", Phrase.QUESTION),
        ("Je voudrais aller à la", "fr-FR", Phrase.OPEN),
        ("Prends-la.", "fr", Phrase.STATEMENT),
        ("Depuis quand ?", "fr", Phrase.QUESTION),
        ("Attendez !", "fr", Phrase.ANSWER),
        ("Quiero reservar una mesa para", "es-MX", Phrase.OPEN),
        ("¿Dónde está la estación?", "es", Phrase.QUESTION),
        ("Espera.", "es", Phrase.ANSWER),
        ("Vorrei prenotare un tavolo per", "it-IT", Phrase.OPEN),
        ("Vengo anch'io.", "it", Phrase.STATEMENT),
        ("Basta!", "it", Phrase.ANSWER),
        ("Eu queria falar com", "pt-BR", Phrase.OPEN),
        ("Não.", "pt", Phrase.ANSWER),
        ("Jag vill boka ett bord för", "sv", Phrase.STATEMENT),
        ("Jag vill,", "sv", Phrase.OPEN),
        ("本当ですか？", "ja", Phrase.QUESTION),
    ],
)
def test_other_languages(text: str, language: str, phrase: Phrase) -> None:
    assert phrase_of(text, language) is phrase


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ja, genau.", "de-DE"), ("Alles klar.", "de"), ("Mhm.", "de"), ("D'accord.", "fr"),
        ("Ah bon.", "fr"), ("Oui, oui.", "fr-CA"), ("Sí, claro.", "es"), ("De acuerdo.", "es"),
        ("Va bene.", "it"), ("Certo.", "it"), ("Tá bom.", "pt-BR"), ("Pois é.", "pt"),
        ("Mm.", "sv"), ("Okay.", "tlh"),
    ],
)  # fmt: skip
def test_nods_of_other_languages(text: str, language: str) -> None:
    assert is_nod(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Nein.", "de"), ("Ja, aber warum?", "de"), ("Stopp!", "de"), ("Doch.", "de"), ("Non.", "fr"),
        ("Attends.", "fr"), ("Oui mais", "fr"), ("No.", "es"), ("Espera.", "es"), ("Aspetta.", "it"),
        ("Não.", "pt"), ("Ja.", "sv"), ("Right.", "de"),
    ],
)  # fmt: skip
def test_no_nods_of_other_languages(text: str, language: str) -> None:
    assert not is_nod(text, language)


@pytest.mark.parametrize(
    "text", ["Uh-huh.", "Mm-hmm.", "Right.", "Okay", "Yeah, yeah.", "I see.", "Oh, okay.", "Mm", "Got it!"]
)
def test_nods(text: str) -> None:
    assert is_nod(text)


@pytest.mark.parametrize(
    "text",
    ["No.", "Wait.", "Stop!", "Yeah, but why?", "Okay, stop.", "What?", "", "Right, I have to go now."],
)
def test_no_nods(text: str) -> None:
    assert not is_nod(text)


OURS = "The moon is about three hundred and eighty thousand kilometres away from us."


@pytest.mark.parametrize(
    "heard", ["The moon is about", "three hundred and eighty", "eight thousand kilometres away from"]
)
def test_our_own_words(heard: str) -> None:
    assert is_echo(heard, OURS)


def test_half_a_word_of_ours_is_ours() -> None:
    assert not is_echo("The moon isab", OURS)
    assert is_echo("The moon isab", OURS, is_whole=False)
    assert not is_echo("Stop the moon", OURS, is_whole=False)


@pytest.mark.parametrize("heard", ["moon", "How far is the moon?", "Wait, stop", "", "away, please stop"])
def test_not_our_own_words(heard: str) -> None:
    assert not is_echo(heard, OURS)


@pytest.mark.parametrize(
    "text", ["Thank you.", "you", "Thanks for watching!", "la la la la la la", "I am I am I am I am I am"]
)
def test_what_recognisers_invent(text: str) -> None:
    assert is_invented(text)


@pytest.mark.parametrize("text", ["", "Stop.", "Thank you for the help.", "No no no", "What about you?"])
def test_what_they_do_not(text: str) -> None:
    assert not is_invented(text)
