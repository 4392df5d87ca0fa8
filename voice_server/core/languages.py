"""Languages by their BCP 47 tags: which covers which, and what people call them."""

from collections.abc import Iterable, Sequence

NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish",
    "fil": "Filipino", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "ms": "Malay", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "ta": "Tamil",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def primary(tag: str) -> str:
    """`de` of `de-DE`."""
    return tag.partition("-")[0].lower()


def name(tag: str) -> str:
    """What people call the language; the tag itself where that is not known."""
    return NAMES.get(primary(tag), tag)


def serves(languages: Iterable[str], wished: str) -> bool:
    """Whether one of these tags covers the wished-for one; a primary tag covers its regions."""
    return any(primary(tag) == primary(wished) for tag in languages)


def nearest(languages: Sequence[str], wished: str) -> str | None:
    """Of these tags the one that is the wished-for one, or else the first of the same language."""
    same = [tag for tag in languages if primary(tag) == primary(wished)]
    return next((tag for tag in same if tag.lower() == wished.lower()), same[0] if same else None)
