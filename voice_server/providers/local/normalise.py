"""What a model writes, as a voice can say it: pure text in, pure text out."""

import re
import unicodedata

from voice_server.providers.local.numerals import say_numbers

_ENDLESS = re.compile(r"\S{400}(?=\S)|(?<=\s{40})\s+")
"""More of a word than anybody reads out, or of nothing: some rules below cost its length in its square."""

_MARKDOWN = (
    (re.compile(r"^\s*```.*$", re.MULTILINE), " "),
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"^\s{0,3}(?:#{1,6}|>+)\s+", re.MULTILINE), ""),
    (re.compile(r"^\s*[-*_]{3,}\s*$", re.MULTILINE), " "),
    (re.compile(r"^\s*[-*•+]\s+", re.MULTILINE), ""),
    (re.compile(r"^\s*(\d{1,2})[.)]\s+(?=\S)", re.MULTILINE), r"\1: "),
    (re.compile(r"(\*\*|__|~~|`)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"[`]"), ""),
)

_ABBREVIATIONS = {
    "e.g.": "for example",
    "i.e.": "that is",
    "vs.": "versus",
    "vs": "versus",
    "approx.": "approximately",
    "Mr.": "Mister",
    "Mrs.": "Missus",
    "Ms.": "Miss",
    "Dr.": "Doctor",
    "Prof.": "Professor",
    "w/o": "without",
    "w/": "with ",
    "a.k.a.": "also known as",
}
_NAMES = {
    ".NET": "dot net",
    "AT&T": "ay T and T",
    "C#": "C sharp",
    "C++": "C plus plus",
    "CO2": "C O 2",
    "F#": "F sharp",
    "PostgreSQL": "postgres Q L",
    "PyTorch": "pie torch",
    "README": "read me",
    "SQLAlchemy": "SQL alchemy",
    "SQLite": "SQL light",
    "WiFi": "Wi-Fi",
    "k8s": "Kubernetes",
    "nginx": "engine X",
}
"""What the phonemes get wrong and no rule gets right."""

_ENDINGS = {"ai": "A I", "io": "I O", "js": "J S", "ts": "T S", "py": "pie", "md": "M D", "uk": "U K"}

_SYMBOLS = {
    "&": " and ",
    "@": " at ",
    "+": " plus ",
    "=": " equals ",
    "×": " times ",
    "÷": " divided by ",
    "±": " plus or minus ",
    "≈": " about ",
    "~": " about ",
    "≤": " at most ",
    "≥": " at least ",
    "<": " less than ",
    ">": " greater than ",
    "→": " to ",
    "√": " the square root of ",
    "π": " pi ",
    "²": " squared ",
    "³": " cubed ",
    "°": " degrees ",
    "/": " slash ",
    "#": " hash ",
    "—": ", ",
    "–": ", ",
    "…": ", ",
    "|": ", ",
    "(": ", ",
    ")": ", ",
    "[": " ",
    "]": " ",
    "{": " ",
    "}": " ",
    "_": " ",
    "*": " ",
    "\\": " ",
    "^": " ",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "ß": "ss",
    "æ": "ae",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
}

_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_ADDRESS = re.compile(
    r"\b(?:https?://(?:www\.)?|www\.)[^\s<>\"')\]]*[\w/]"
    r"|\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|ai|dev|uk)\b(?:/[^\s<>\"')\]]*[\w/])?"
)
_NUMBER_OF = re.compile(r"\b[Nn]o\.\s?(?=\d)")
_SAINT = re.compile(r"\bSt\.\s(?=[A-Z])")
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z]{2})")
_PLAIN_SLASH = re.compile(r"(?<=[a-z]{2})/(?=[a-z]{2})|\band/or\b")
_DOT_INSIDE = re.compile(r"(?<=[A-Za-z]{2})\.(?P<ending>[a-z]{2,5})\b")
_DASH_BETWEEN = re.compile(r"\s+--?\s+")
_SPACED_MINUS = re.compile(r"(?<=\d)\s[-−]\s(?=\d)")
_LETTER_A = re.compile(r"(?<=[a-z] )A(?= [a-z]|[.,!?;:]|$)")


def _any_of(words: dict[str, str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")


_ANY_ABBREVIATION = _any_of(_ABBREVIATIONS)
_ANY_NAME = _any_of(_NAMES)


def speakable(text: str) -> str:
    """`text` without what no voice can say, and with figures and signs in words.

    Empty when nothing is left to say.
    """
    text = _unpack_fractions(_ENDLESS.sub(lambda match: f"{match[0].strip()} ", text))
    for pattern, replacement in _MARKDOWN:
        text = pattern.sub(replacement, text)
    text = _EMAIL.sub(lambda match: _spell_address(match[0]), text)
    text = _ADDRESS.sub(lambda match: _spell_address(match[0]), text)
    text = _ANY_NAME.sub(lambda match: _NAMES[match[0]], text)
    text = _ANY_ABBREVIATION.sub(lambda match: _ABBREVIATIONS[match[0]], text)
    text = _SAINT.sub("Saint ", _NUMBER_OF.sub("number ", text))
    text = _SPACED_MINUS.sub(" minus ", text)
    text = say_numbers(text)
    text = _DOT_INSIDE.sub(lambda match: f" dot {_ending(match['ending'])}", text)
    text = _PLAIN_SLASH.sub(lambda match: " and or " if match[0] == "and/or" else " or ", text)
    text = _DASH_BETWEEN.sub(", ", text)
    text = _CAMEL.sub(" ", text)
    text = "".join(_SYMBOLS.get(sign, sign) for sign in text)
    text = _LETTER_A.sub("ay", _latin(text))
    text = _tidy(text)
    return text if any(sign.isalnum() for sign in text) else ""


def _unpack_fractions(text: str) -> str:
    """`2½` becomes `2 1/2`."""
    return "".join(
        " " + unicodedata.normalize("NFKC", sign).replace("⁄", "/")
        if unicodedata.category(sign) == "No" and "FRACTION" in unicodedata.name(sign, "")
        else sign
        for sign in text
    )


def _spell_address(address: str) -> str:
    """`https://www.example.com/docs?x=1` becomes `example dot com slash docs`."""
    address = re.sub(r"^(?:https?://)?(?:www\.)?", "", address).split("?")[0].split("#")[0].rstrip("/")
    host, slash, path = address.partition("/")
    name, dot, ending = host.rpartition(".")
    spoken = f"{name}{dot}{_ending(ending)}{slash}{path}"
    for sign, word in ((".", "dot"), ("@", "at"), ("/", "slash"), ("-", "dash"), ("_", "underscore")):
        spoken = spoken.replace(sign, f" {word} ")
    return spoken


def _ending(ending: str) -> str:
    return _ENDINGS.get(ending, ending)


def _latin(text: str) -> str:
    """Accents off; emoji and other scripts away, for the dictionary holds neither."""
    plain = (sign for sign in unicodedata.normalize("NFD", text) if unicodedata.category(sign) != "Mn")
    return "".join(sign if sign.isascii() else " " for sign in plain)


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,.!?;:])", r"\1", text)
    text = re.sub(r",[\s,]*(?=[,.!?;:])", "", text)
    return re.sub(r"^[\s,.;:]+|[\s,]+$", "", text)
