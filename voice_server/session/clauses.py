"""Cuts a reply, as it is written, into pieces that can be spoken: a clause first, then sentences.

The first piece is short, because the caller is waiting for it; later ones are longer, because a voice sounds
better with more of the sentence before it. A sentence ends on the character that ends it: waiting for the
next one would cost the time of a token.
"""

import re
from dataclasses import dataclass

FIRST_CLAUSE_CHARS = 12
FIRST_CHARS = 32  # past this the first piece may end before a joining word, without a comma
LATER_CLAUSE_CHARS = 100
LONGEST_CHARS = 240

_END = re.compile(r"[.!?…\n,;:—–]")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|\n+")
_CLAUSE_END = re.compile(r"[,;:—–][\"'”’)\]]*(?=\s)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|approx|No|Fig|e\.g|i\.e|cf|[ap]\.m|U\.S)\.$",
    re.IGNORECASE,
)
_SOFT_BREAK = re.compile(r"\s(?=(?:and|but|or|because|which|that|so|when|while|if|with)\s)")
_OPEN_NUMBER = re.compile(r"\d\.$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A speakable piece: `text` stands at `start`..`end` of the written reply, white space included.

    Words that the model did not write have `start == end`: hearing them moves nothing.
    """

    text: str
    start: int
    end: int

    @property
    def is_written(self) -> bool:
        """Whether the model wrote it."""
        return self.end > self.start

    def words(self, start: int, end: int) -> tuple[str, int]:
        """The words that begin in characters `start`..`end`, and where the last of them ends."""
        while 0 < end < len(self.text) and not self.text[end].isspace():
            end += 1
        return self.text[start:end].strip(), max(start, end)


class ClauseSplitter:
    """Takes the reply's text piece by piece, gives pieces to speak."""

    def __init__(self) -> None:
        self._pending = ""
        self._start = 0  # of _pending, in the written reply
        self._is_first = True

    def push(self, text: str) -> list[Piece]:
        """Add text; get the pieces that are complete."""
        self._pending += text
        pieces: list[Piece] = []
        while (end := self._boundary()) is not None:
            pieces += self._take(end)
        return pieces

    def finish(self) -> list[Piece]:
        """The rest."""
        return self._take(len(self._pending))

    def own_words(self, text: str) -> list[Piece]:
        """Words to speak that are no part of the written reply."""
        return [*self.finish(), Piece(text, self._start, self._start)]

    def _take(self, end: int) -> list[Piece]:
        text, self._pending = self._pending[:end], self._pending[end:]
        start, self._start = self._start, self._start + end
        if not text.strip():
            return []
        self._is_first = False
        return [Piece(text, start, self._start)]

    def _boundary(self) -> int | None:
        text = self._pending
        if not self._is_first and len(text) <= LONGEST_CHARS and not _END.search(text):
            return None  # by far the most frequent case: a word more
        for match in _SENTENCE_END.finditer(text):
            if text[: match.end()].strip() and not self._goes_on(text, match.end()):
                return match.end()
        shortest = FIRST_CLAUSE_CHARS if self._is_first else LATER_CLAUSE_CHARS
        for match in _CLAUSE_END.finditer(text):
            if match.end() >= shortest:
                return match.end()
        if self._is_first and (soft := _SOFT_BREAK.search(text, FIRST_CHARS)):
            return soft.start()
        if len(text) > LONGEST_CHARS:
            space = text.rfind(" ", 1, LONGEST_CHARS)
            return space if space > 0 else LONGEST_CHARS
        return None

    @staticmethod
    def _goes_on(text: str, end: int) -> bool:
        """Whether a full stop here belongs to an abbreviation, or to a number of which more may come."""
        before = text[:end]
        return bool(_ABBREVIATION.search(before)) or (end == len(text) and bool(_OPEN_NUMBER.search(before)))
