import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.providers.local.normalise import speakable

pytestmark = pytest.mark.unit

SPOKEN = [
    # times
    ("Meet me at 5:30 p.m. tomorrow.", "Meet me at 5 30 P M tomorrow."),
    ("It is 5:30 p.m.", "It is 5 30 P M."),
    ("Come at 5 PM, or 9:05am.", "Come at 5 P M, or 9 oh 5 ay M."),
    ("Open until 5 p.m. Then we close.", "Open until 5 P M. Then we close."),
    ("Doors at 17:45", "Doors at 17 45"),
    ("Lunch at 12:00, trains at 17:00", "Lunch at 12 o'clock, trains at 17 hundred"),
    # dates and years
    ("due 2024-12-25", "due December 25th, 2024"),
    ("due 3/1/2025", "due March 1st, 2025"),
    ("due 11/13/2025", "due November 13th, 2025"),
    ("code 2024-13-45", "code 2024-13-45"),
    ("in 1999 and the 1990s", "in 1999 and the 1990s"),
    ("1990-1995", "1990 to 1995"),
    # money
    ("$42.50", "42 dollars and 50 cents"),
    ("$1", "1 dollar"),
    ("$0.99", "99 cents"),
    ("$1.01", "1 dollar and 1 cent"),
    ("-$5", "minus 5 dollars"),
    ("€3 or 3 €", "3 euros or 3 euros"),
    ("£1.2 million", "1.2 million pounds"),
    ("£0.01", "1 penny"),
    ("$5M and $3bn", "5 million dollars and 3 billion dollars"),
    ("$1,234.50", "1,234 dollars and 50 cents"),
    # measures
    ("120 km/h", "120 kilometers per hour"),
    ("1 km/h", "1 kilometer per hour"),
    ("5 kg, 1 kg", "5 kilograms, 1 kilogram"),
    ("20°C, 1 °C, -5 °F", "20 degrees Celsius, 1 degree Celsius, minus 5 degrees Fahrenheit"),
    ("3.5 GB", "3.5 gigabytes"),
    ("6 ft, 100 Hz, 2 kWh", "6 feet, 100 hertz, 2 kilowatt hours"),
    ("5-10 km", "5 to 10 kilometers"),
    ("45°", "45 degrees"),
    ("12 m²", "12 square meters"),
    ("12% and 1.5 %", "12 percent and 1.5 percent"),
    # other numbers
    ("the 3rd and the 21st", "the 3rd and the 21st"),
    ("1/2 cup", "one half cup"),
    ("3/4", "3 quarters"),
    ("2½ cups", "2 and a half cups"),
    ("3 2/3", "3 and 2 thirds"),
    ("24/7", "24 7"),
    ("8/10", "8 out of 10"),
    ("-5 or −5", "minus 5 or minus 5"),
    ("5 - 3 = 2", "5 minus 3 equals 2"),
    ("1,234,567", "1,234,567"),
    ("140,000,000,000,000,000,000,000 miles", "140 sextillion miles"),
    ("1,250,000,000,000,000,000", "1.25 quintillion"),
    ("1" + ",000" * 12, "1" + " 0" * 36),
    ("12345678901234567.5", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7.5"),
    ("Python 3.11.7", "Python 3 point 11 point 7"),
    ("v2.0", "version 2.0"),
    ("192.168.0.1", "192 point 168 point 0 point 1"),
    ("1920x1080", "1920 by 1080"),
    ("#1", "number 1"),
    ("a 10-year-old", "a 10-year-old"),
    # strings of digits
    ("+1 (555) 123-4567", "plus 1, 5 5 5, 1 2 3, 4 5 6 7"),
    ("555-1234", "5 5 5, 1 2 3 4"),
    ("order 00123", "order 0 0 1 2 3"),
    ("code 12345678", "code 1 2 3 4 5 6 7 8"),
    # names and abbreviations
    ("HTTP and NASA", "HTTP and NASA"),
    ("PostgreSQL", "postgres Q L"),
    ("a WebSocket", "a Web Socket"),
    ("McDonald's iPhone", "McDonald's iPhone"),
    ("C++, C# and .NET", "C plus plus, C sharp and dot net"),
    ("AT&T", "ay T and T"),
    ("Node.js and main.py.", "Node dot J S and main dot pie."),
    ("snake_case", "snake case"),
    ("Dr. Smith vs. Mr. Jones", "Doctor Smith versus Mister Jones"),
    ("e.g. No. 5", "for example number 5"),
    ("St. Mary", "Saint Mary"),
    ("Plan A. A dog.", "Plan ay. A dog."),
    # addresses
    ("anna.b@example.org", "anna dot b at example dot org"),
    ("see https://www.example.com/docs/api?x=1.", "see example dot com slash docs slash api."),
    ("example.io", "example dot I O"),
    # signs
    ("R&D @ home", "R and D at home"),
    ("1+1=2", "1 plus 1 equals 2"),
    ("and/or, he/she, TCP/IP", "and or, he or she, TCP slash IP"),
    ("2 * 3, 2 × 3", "2 times 3, 2 times 3"),
    ("x < y", "x less than y"),
    ("yes — or not – maybe… (perhaps)", "yes, or not, maybe, perhaps"),
    # markdown
    ("**Bold** and *it* and `code`", "Bold and it and code"),
    ("## Title", "Title"),
    ("- first\n- second", "first second"),
    ("1. First", "1: First"),
    ("[the docs](https://example.com)", "the docs"),
    ("```python\nx\n```", "x"),
    # what no voice can say
    ("Great! 😀 Nice 👍🏽", "Great! Nice"),
    ("naïve café in München", "naive cafe in Munchen"),
    ("日本語 text", "text"),
    ("😀", ""),
    ("***", ""),
    ("", ""),
]


@pytest.mark.parametrize(("written", "spoken"), SPOKEN)
def test_is_spoken_as(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    "plain",
    [
        "Hello there, how are you today?",
        'She said "no," and that was it.',
        "It's state-of-the-art; don't worry!",
    ],
)
def test_leaves_plain_speech_alone(plain: str) -> None:
    assert speakable(plain) == plain


@given(st.text())
def test_only_ascii_comes_out_and_never_a_blank_edge(text: str) -> None:
    spoken = speakable(text)
    assert spoken.isascii()
    assert spoken == spoken.strip()


@pytest.mark.parametrize("endless", ["a.", "1.1.", "1-", "\n  "])
def test_a_word_or_a_gap_without_end_costs_no_more_than_its_length(endless: str) -> None:
    def work_s(times: int) -> float:
        began_s = time.thread_time()
        speakable(endless * times)
        return time.thread_time() - began_s

    assert work_s(8_000) < 24 * work_s(1_000)  # eight times as much; in its square it would be 64 times
