"""Numbers as people say them: times, dates, money, measures, fractions, telephone numbers.

Plain digits stay digits where the phonemes know them (cardinals, decimals, ordinals, years).
"""

import re
from collections.abc import Callable

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "t": "trillion"}

_VAST = ("quintillion", "sextillion", "septillion", "octillion", "nonillion", "decillion")
"""From a million million millions on, in thousands: names that the phonemes do not know."""

_UNITS = {
    "km/h": "kilometer per hour",
    "kph": "kilometer per hour",
    "mph": "mile per hour",
    "m/s": "meter per second",
    "km²": "square kilometer",
    "m²": "square meter",
    "m³": "cubic meter",
    "km": "kilometer",
    "cm": "centimeter",
    "mm": "millimeter",
    "m": "meter",
    "mi": "mile",
    "ft": "foot",
    "kg": "kilogram",
    "mg": "milligram",
    "g": "gram",
    "lbs": "pound",
    "lb": "pound",
    "oz": "ounce",
    "ml": "milliliter",
    "mL": "milliliter",
    "l": "liter",
    "L": "liter",
    "°C": "degree Celsius",
    "°F": "degree Fahrenheit",
    "°": "degree",
    "TB": "terabyte",
    "GB": "gigabyte",
    "MB": "megabyte",
    "KB": "kilobyte",
    "kB": "kilobyte",
    "GiB": "gibibyte",
    "MiB": "mebibyte",
    "Gbps": "gigabit per second",
    "Mbps": "megabit per second",
    "kbps": "kilobit per second",
    "GHz": "gigahertz",
    "MHz": "megahertz",
    "kHz": "kilohertz",
    "Hz": "hertz",
    "kWh": "kilowatt hour",
    "kW": "kilowatt",
    "W": "watt",
    "V": "volt",
    "mAh": "milliamp hour",
    "dB": "decibel",
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "px": "pixel",
}
_SAME_IN_PLURAL = ("hertz",)

_DENOMINATORS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth"}
_MARKS_OUT_OF = (10, 20)


def say_numbers(text: str) -> str:
    """Rewrite what is written about numbers; order matters, the more particular forms come first."""
    for pattern, say in _RULES:
        text = pattern.sub(say, text)
    return text


def _iso_date(match: re.Match[str]) -> str:
    return _date(match[0], year=match[1], month=int(match[2]), day=int(match[3]))


def _american_date(match: re.Match[str]) -> str:
    return _date(match[0], year=match[3], month=int(match[1]), day=int(match[2]))


def _date(written: str, year: str, month: int, day: int) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return written
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(day % 10 if day // 10 != 1 else 0, "th")
    return f"{_MONTHS[month - 1]} {day}{suffix}, {year}"


def _time_of_half_day(match: re.Match[str]) -> str:
    hour, minutes, half, rest = match[1], match[2], match[3].lower(), match["rest"]
    clock = hour if minutes in (None, "00") else f"{hour} {_minutes(minutes)}"
    # "AM" is read as the verb, and "A M" as an article.
    spoken = f"{clock} ay M" if half == "a" else f"{clock} P M"
    ends_sentence = match[0].endswith(".") and (rest == "" or rest.lstrip()[:1].isupper())
    return spoken + ("." if ends_sentence else "")


def _time(match: re.Match[str]) -> str:
    hour, minutes = int(match[1]), match[2]
    if minutes == "00":
        return f"{hour} o'clock" if 1 <= hour <= 12 else f"{hour} hundred"
    return f"{hour} {_minutes(minutes)}"


def _minutes(digits: str) -> str:
    return f"oh {digits[1]}" if digits[0] == "0" else digits


def _money_before(match: re.Match[str]) -> str:
    return _money(match["symbol"], match["amount"], match["scale"], match["minus"])


def _money_after(match: re.Match[str]) -> str:
    return _money(match["symbol"], match["amount"], None, None)


def _money(symbol: str, amount: str, scale: str | None, minus: str | None) -> str:
    one, many, one_cent, cents = _CURRENCIES[symbol]
    sign = "minus " if minus else ""
    if scale:
        return f"{sign}{amount} {_SCALES.get(scale.lower(), scale.lower())} {many}"
    whole, _, fraction = amount.partition(".")
    if len(fraction) != 2:
        return f"{sign}{amount} {one if amount == '1' else many}"
    parts = []
    if int(whole.replace(",", "")) or not int(fraction):
        parts.append(f"{whole} {one if whole == '1' else many}")
    if int(fraction):
        parts.append(f"{int(fraction)} {one_cent if int(fraction) == 1 else cents}")
    return sign + " and ".join(parts)


def _measure(match: re.Match[str]) -> str:
    name = _UNITS[match["unit"]]
    if match["amount"] == "1":
        return f"1 {name}"
    noun, per, rest = name.partition(" per ")
    first, space, second = noun.partition(" Celsius" if " Celsius" in noun else " Fahrenheit")
    return f"{match['amount']} {_plural(first)}{space}{second}{per}{rest}"


def _plural(noun: str) -> str:
    if noun.endswith(_SAME_IN_PLURAL):
        return noun
    return "feet" if noun == "foot" else f"{noun}s"


def _fraction(match: re.Match[str]) -> str:
    whole, above, below = match["whole"], int(match["above"]), int(match["below"])
    if below not in _DENOMINATORS or above >= below:
        between = "out of " if below in _MARKS_OUT_OF and not whole else ""
        return f"{whole or ''} {above} {between}{below}".strip()
    noun = _DENOMINATORS[below]
    if whole:
        return f"{whole} and {'a' if above == 1 else above} {noun if above == 1 else noun + 's'}"
    return f"one {noun}" if above == 1 else f"{above} {noun}s"


def _telephone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    spoken = ", ".join(" ".join(group) for group in groups)
    return f"plus {spoken}" if match[0].startswith("+") else spoken


def _vast(match: re.Match[str]) -> str:
    """`140,000,000,000,000,000,000,000` is 140 sextillion; the digits beyond three places nobody takes in."""
    first, *rest = match[0].split(",")
    fraction = rest[0].rstrip("0")
    scale = len(rest) - 6
    if scale >= len(_VAST):
        return " ".join(match[0].replace(",", ""))
    return f"{first}{'.' if fraction else ''}{fraction} {_VAST[scale]}"


def _digits(match: re.Match[str]) -> str:
    return " ".join(match[0])


_ANY_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_ANY_CURRENCY = "".join(_CURRENCIES)

_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b"), _iso_date),
    (re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])"), _american_date),
    (
        re.compile(r"\b(\d{1,2})(?::([0-5]\d))?\s?([ap])\.?m\b\.?(?=(?P<rest>\s*\S?))", re.IGNORECASE),
        _time_of_half_day,
    ),
    (re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])"), _time),
    (re.compile(r"(?<!\w)\+?(?:\d{1,3}[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"), _telephone),
    (re.compile(r"(?<![\w-])\d{3}-\d{4}\b"), _telephone),
    (re.compile(r"(?<!\w)\+\d{7,15}\b"), _telephone),
    (re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3}){6,}(?!,?\d)"), _vast),
    (re.compile(r"(?<![\w.,])(?:0\d+|\d{8,})(?![\w.,]*\d)"), _digits),
    (re.compile(r"\d{16,}"), _digits),
    (
        re.compile(
            rf"(?P<minus>[-−])?(?P<symbol>[{_ANY_CURRENCY}])\s?(?P<amount>{_NUMBER})"
            r"(?:\s?(?P<scale>thousand|million|billion|trillion|[kKmMbBtT]n?)\b)?"
        ),
        _money_before,
    ),
    (re.compile(rf"(?P<amount>{_NUMBER})\s?(?P<symbol>[{_ANY_CURRENCY}])"), _money_after),
    (re.compile(rf"(?<![\w.-])({_NUMBER})(?:-|\s?–\s?)(?={_NUMBER}(?![\d-]))"), r"\1 to "),
    (
        re.compile(r"(?<![\w/.])(?:(?P<whole>\d+)\s)?(?P<above>\d{1,2})/(?P<below>\d{1,2})(?![\w/]|\.\d)"),
        _fraction,
    ),
    (re.compile(r"(?<![\w)])[-−](?=\d)"), "minus "),
    (re.compile(rf"(?<![\w.])(?P<amount>{_NUMBER})\s?(?!(?<=0)s)(?P<unit>{_ANY_UNIT})(?![\w/²³])"), _measure),
    (re.compile(r"(?<=\d)\s?\*\s?(?=\d)"), " times "),
    (re.compile(r"(?<=\d)\s?x\s?(?=\d)"), " by "),
    (re.compile(r"\s?%"), " percent"),
    (re.compile(r"\b[vV](?=\d)"), "version "),
    (re.compile(r"(?<=\d)\.(?=\d+\.\d)|(?<=\d\.\d)\.(?=\d)|(?<=\d\.\d\d)\.(?=\d)"), " point "),
    (re.compile(r"(?<!\w)#\s?(?=\d)"), "number "),
)
