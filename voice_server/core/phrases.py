"""What words alone give away: a thought that goes on, a number being told, a question, a nod, our own echo.

Most is known of English; of some languages a few words (`core.vocabulary`); of others only the punctuation.
"""

import re
from enum import StrEnum
from typing import assert_never

from voice_server.core.english import End, end_of
from voice_server.core.languages import primary
from voice_server.core.vocabulary import vocabulary_of

__all__ = ["Phrase", "is_echo", "is_invented", "is_nod", "phrase_of", "words_of"]


class Phrase(StrEnum):
    """What the words so far are, as far as the end of a turn goes."""

    UNKNOWN = "unknown"
    OPEN = "open"  # something must follow
    DICTATION = "dictation"  # digits or letters, of which more may follow
    DOUBTFUL = "doubtful"  # it may be whole, but much may follow such an end
    QUESTION = "question"
    ANSWER = "answer"  # as short as it is, it is all
    STATEMENT = "statement"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_WITHIN = re.compile(r"[,;:.!?]\s")
_OPEN_END = re.compile(r"(?:[,;:–—-]|\.\.\.|…)[\"'”’)]*$")

_ASKING = _set(
    "what what's when when's where where's who who's whose which why how how's is are am was were do does did"
    " can could will would should shall may has have isn't aren't don't doesn't didn't can't won't"
)
_FIGURES = _set("zero oh one two three four five six seven eight nine ten double triple")
_TOLD_IN_FIGURES = _set("number phone code pin zip postcode account card digits extension serial reference")
_SPELLED = frozenset({"spelled", "spelt", "spell", "spelling", "letters"})
_WHOLE_NUMBER_DIGITS = 10  # a phone number; a longer one is told in groups all the same

_MOST_NOD_WORDS = 4
_MOST_ANSWER_WORDS = 2
_MARKS = ".,;:!¡¿…\"'”’»)"

_INVENTED = frozenset(
    {"you", "thank you", "thank you very much", "thanks for watching", "thank you for watching", "bye", "so"}
    | {"thanks", "bye bye", "the end", "i'm sorry", "oh", "hmm", "uh", "ah"}
)


def words_of(text: str) -> list[str]:
    """The words, in lower case and without punctuation."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def phrase_of(text: str | None, language: str | None = None) -> Phrase:
    """What the words so far are; `language` is a BCP 47 tag, None counts as English."""
    if text is None or not (words := words_of(text)):
        return Phrase.UNKNOWN
    stripped = text.strip()
    is_asked = stripped.endswith(("?", "？"))
    if _OPEN_END.search(stripped):
        return Phrase.OPEN
    if len(words) <= _MOST_ANSWER_WORDS and words[0] in vocabulary_of(language).answers and not is_asked:
        return Phrase.ANSWER
    if primary(language or "en") == "en":
        return _english(words, stripped, is_asked=is_asked)
    if not is_asked and stripped.split()[-1].strip(_MARKS).lower() in vocabulary_of(language).opening:
        return Phrase.OPEN
    return Phrase.QUESTION if is_asked else Phrase.STATEMENT


def _english(words: list[str], text: str, *, is_asked: bool) -> Phrase:
    if not is_asked and _is_dictation(words):
        return Phrase.DICTATION
    match end_of(words, is_asked=is_asked, is_single=_WITHIN.search(text) is None):
        case End.OPEN:
            return Phrase.OPEN
        case End.DOUBTFUL:
            return Phrase.DOUBTFUL
        case End.CLOSED:
            is_question = is_asked or (words[0] in _ASKING and len(words) >= 4)
            return Phrase.QUESTION if is_question else Phrase.STATEMENT
        case never:
            assert_never(never)


def is_nod(text: str, language: str | None = None) -> bool:
    """Whether it only says "I am listening"; `language` as in `phrase_of`."""
    words = words_of(text)
    if not words or len(words) > _MOST_NOD_WORDS:
        return False
    known = vocabulary_of(language)
    return " ".join(words) in known.nod_phrases or all(word in known.nods for word in words)


def is_echo(heard: str, ours: str, *, is_whole: bool = True, is_alike: bool = False) -> bool:
    """Whether what was heard are our own words, come back through the microphone.

    The last word of what is not whole may be the half of another: of three or more it does not count.
    `is_alike`: it sounds like our own voice, so that a few of our words among others are enough.
    """
    words = words_of(heard)
    if not is_whole and len(words) >= 3:
        words.pop()
    if len(words) < 2:
        return is_alike
    matched = _in_common(words, words_of(ours))
    # An echo is misheard now and then; of few words, each must be ours.
    if is_alike:
        return len(words) < 4 or matched >= 0.2 * len(words)
    return matched == len(words) if len(words) < 4 else matched >= 0.6 * len(words)


def is_invented(text: str) -> bool:
    """Whether recognisers write this when nobody speaks: a subtitle's thanks, or the same words on and on."""
    words = words_of(text)
    if " ".join(words) in _INVENTED:
        return True
    for length in (1, 2, 3, 4, 5):
        times = len(words) // length
        if times >= 5 and words[: length * times] == words[:length] * times:
            return True
    return False


def _is_dictation(words: list[str]) -> bool:
    run = 0
    while run < len(words) and _is_figure(words[-1 - run]):
        run += 1
    letters = 0
    while letters < len(words) and len(words[-1 - letters]) == 1 and words[-1 - letters].isalpha():
        letters += 1
    if letters >= 2 or (_SPELLED & set(words) and len(words[-1]) == 1):
        return True
    if run == 0:
        return False
    digits = sum(len(word) if word.isdigit() else 1 for word in words[len(words) - run :])
    if digits >= _WHOLE_NUMBER_DIGITS:
        return False
    return run >= 3 or bool(_TOLD_IN_FIGURES & set(words)) or (run == 2 and len(words) == 2)


def _is_figure(word: str) -> bool:
    return word.isdigit() or word in _FIGURES


def _in_common(words: list[str], others: list[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(others) + 1)
    for word in words:
        before = 0
        for index, other in enumerate(others, 1):
            before, row[index] = row[index], before + 1 if word == other else max(row[index], row[index - 1])
    return row[-1]
