"""Which word of a text is spoken when, estimated from the speech itself.

Words take about as long as they are written; pauses do not fall within them, and most fall after a mark.
So the voiced stretches between the pauses are given to the words in order, as evenly as their lengths
allow, and each stretch is shared out among its words.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voice_server.audio.format import duration_ms

__all__ = ["CHARS_PER_MS", "Timing", "time_words"]

CHARS_PER_MS = 0.015
"""Of English speech: a guess where nothing whole has been heard yet."""

_FRAME_MS = 10
_PAUSE_FRAMES = 9
_SILENT_BELOW_DB = -34.0  # of the loudest frame
_MOST_STRETCHES = 12

_WORD = re.compile(r"\S+")
_MARKED = re.compile(r"[,;:.!?…–—)]$")
_SYLLABLE_LETTERS = 2.5
_OF_DIGIT, _OF_CAPITAL = 4.0, 3.0  # letters that a digit, or a letter of an acronym, is spoken with
_UNMARKED_COST = 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """`marks`: positions in the audio, in ms, and how many characters are spoken by then; both ascending."""

    marks: tuple[tuple[float, int], ...]

    def then(self, marks: tuple[tuple[float, int], ...]) -> "Timing":
        """With what has been learned since: it holds from its first position on."""
        before = tuple(mark for mark in self.marks if not marks or mark[0] < marks[0][0])
        return Timing(before + marks)

    def characters(self, at_ms: float) -> int:
        """How many characters are spoken by then."""
        for (start_ms, start), (end_ms, end) in pairwise(((0.0, 0), *self.marks)):
            if at_ms < end_ms:
                return start + int((end - start) * (at_ms - start_ms) / (end_ms - start_ms))
        return self.marks[-1][1] if self.marks else 0


def time_words(pcm: bytes, rate_hz: int, text: str) -> Timing:
    """When the words of `text` are spoken in `pcm`, PCM16 mono that speaks it and nothing else."""
    words = [(match[0], match.end()) for match in _WORD.finditer(text)]
    total_ms = duration_ms(len(pcm), rate_hz)
    stretches = _stretches(pcm, rate_hz)
    if not words or not stretches:
        return Timing(((total_ms, len(text)),) if total_ms else ())
    if len(stretches) > len(words):
        stretches = [*stretches[: len(words) - 1], (stretches[len(words) - 1][0], stretches[-1][1])]
    weights = np.array([_weight(word) for word, _ in words])
    lasts = _share_out(weights, [bool(_MARKED.search(word)) for word, _ in words], stretches)
    marks: list[tuple[float, int]] = []
    first = 0
    for (start_ms, end_ms), last in zip(stretches, lasts, strict=True):
        spoken = np.cumsum(weights[first : last + 1])
        ends_ms = (start_ms + (end_ms - start_ms) * spoken / spoken[-1]).tolist()
        marks += [(at, end) for at, (_, end) in zip(ends_ms, words[first : last + 1], strict=True)]
        first = last + 1
    return Timing((*marks[:-1], (marks[-1][0], len(text))))


def _weight(word: str) -> float:
    if word.isalpha():
        letters = float(len(word))
    else:
        letters = sum(_OF_DIGIT if one.isdigit() else 1.0 for one in word if one.isalnum())
    if word.isupper() and len(word) > 1:
        letters *= _OF_CAPITAL
    return _SYLLABLE_LETTERS + letters


def _stretches(pcm: bytes, rate_hz: int) -> list[tuple[float, float]]:
    """From where to where there is voice, in ms; only long enough silences divide."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    frame = rate_hz * _FRAME_MS // 1000
    power = np.square(samples[: samples.size // frame * frame].reshape(-1, frame)).mean(axis=1)
    if not power.size or not power.max():
        return []
    voiced = np.flatnonzero(power > power.max() * 10 ** (_SILENT_BELOW_DB / 10))
    breaks = np.flatnonzero(np.diff(voiced) > _PAUSE_FRAMES)
    if breaks.size >= _MOST_STRETCHES:  # the longest count
        gaps = np.diff(voiced)[breaks]
        breaks = np.sort(breaks[np.argsort(gaps)[-_MOST_STRETCHES + 1 :]])
    starts = voiced[np.concatenate(([0], breaks + 1))]
    ends = voiced[np.concatenate((breaks, [voiced.size - 1]))] + 1
    return [(float(a) * _FRAME_MS, float(b) * _FRAME_MS) for a, b in zip(starts, ends, strict=True)]


def _share_out(
    weights: NDArray[np.float64], is_marked: list[bool], stretches: list[tuple[float, float]]
) -> list[int]:
    """The last word of each stretch, so that no word is much faster than the others."""
    if len(stretches) == 1:
        return [len(weights) - 1]
    lengths = np.array([end_ms - start_ms for start_ms, end_ms in stretches])
    expected = np.concatenate(([0.0], np.cumsum(weights * lengths.sum() / weights.sum())))
    typical_ms = lengths.sum() / len(weights)
    count = len(weights)
    # best[j]: the least cost of the stretches so far ending after j words.
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    choices: list[NDArray[np.int64]] = []
    for number, length in enumerate(lengths):
        cost = np.full(count + 1, np.inf)
        choice = np.zeros(count + 1, np.int64)
        for end in range(number + 1, count + 1):
            misfit = np.abs((expected[end] - expected[:end]) - length) / typical_ms
            options = best[:end] + misfit + (0.0 if end == count or is_marked[end - 1] else _UNMARKED_COST)
            choice[end] = int(np.argmin(options))
            cost[end] = options[choice[end]]
        best = cost
        choices.append(choice)
    lasts, end = [], count
    for choice in reversed(choices):
        lasts.append(end - 1)
        end = int(choice[end])
    return lasts[::-1]
