"""The ledger of one reply's audio: what was sent, what of it was heard, and which words that is.

What was heard is the client's last report plus the time since, at most what was sent. A client that does not
report is taken to play what it gets at once and without gaps: chunks queue behind each other from the moment
they are sent.
"""

from collections.abc import Sequence

from voice_server.clock import Instant

_UNSPACED = "\u2e80"
"""From here on are the scripts, such as Chinese and Japanese, that put no spaces between words."""


class Playout:
    """Sent and heard, in milliseconds of the reply's audio.

    `paced=False`: nobody knows when the audio is played, so it counts as heard once sent, unless reported.
    """

    def __init__(self, *, paced: bool = True) -> None:
        self.sent_ms = 0.0
        self.chunks = 0
        self._paced = paced
        self._marks: list[tuple[float, int]] = [(0.0, 0)]  # (audio position, characters heard by then)
        self._playing_until = Instant(0.0)
        self._report: tuple[float, Instant] | None = None
        self._paused_at: Instant | None = None

    @property
    def is_paused(self) -> bool:
        """Whether nobody is listening at all."""
        return self._paused_at is not None

    def send(self, duration_ms: float, end_char: int, now: Instant) -> None:
        """A chunk goes out. Characters never go back: words the model did not write repeat the last mark."""
        moment = self._moment(now)
        self._playing_until = Instant(max(self._playing_until, moment) + duration_ms)
        if self._report is not None:  # time that passed with nothing left to play is not heard audio
            self._report = (self.heard_ms(now), moment)
        self.sent_ms += duration_ms
        self.chunks += 1
        self._marks.append((self.sent_ms, max(end_char, self._marks[-1][1])))

    def correct(self, timing: Sequence[tuple[float, int]]) -> None:
        """Better knowledge of the latest audio: which character is reached at these positions of it."""
        known = [mark for mark in timing if 0 < mark[0] <= self.sent_ms]
        if known:
            before = [mark for mark in self._marks if mark[0] < known[0][0]]
            self._marks = [*before, *known]
            if known[-1][0] < self.sent_ms:
                self._marks.append((self.sent_ms, known[-1][1]))

    def report(self, played_ms: float, now: Instant) -> None:
        """The client says how much it has played."""
        self._report = (min(max(played_ms, 0.0), self.sent_ms), self._moment(now))

    def pause(self, now: Instant) -> None:
        """The connection dropped."""
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, unreceived_ms: float, now: Instant) -> None:
        """The connection is back and gets `unreceived_ms` of audio again before anything else."""
        if self._paused_at is None:
            return
        unheard_ms = max(self._playing_until - self._paused_at, unreceived_ms, 0.0)
        self._playing_until = Instant(now + unheard_ms)
        if self._report is not None:
            played_ms = min(self.heard_ms(now), self.sent_ms - unreceived_ms)
            self._report = (max(played_ms, 0.0), now)
        self._paused_at = None

    def heard_ms(self, now: Instant) -> float:
        """How much the listener has heard."""
        moment = self._moment(now)
        if self._report is not None:
            played_ms, at = self._report
            return min(self.sent_ms, played_ms + max(moment - at, 0.0))
        if not self._paced:
            return self.sent_ms
        return max(0.0, self.sent_ms - max(self._playing_until - moment, 0.0))

    def ahead_ms(self, now: Instant) -> float:
        """How much of what was sent is still to be played, by the server's own clock."""
        return max(self._playing_until - self._moment(now), 0.0) if self._paced else 0.0

    @property
    def heard_by(self) -> Instant:
        """When all that was sent is heard, if nothing changes."""
        if self._report is not None:
            played_ms, at = self._report
            return Instant(at + self.sent_ms - played_ms)
        return self._playing_until if self._paced else Instant(0.0)

    def characters(self, heard_ms: float) -> int:
        """How many characters of the reply are spoken in its first `heard_ms` of audio."""
        for (start_ms, start_char), (end_ms, end_char) in zip(self._marks, self._marks[1:], strict=False):
            if heard_ms < end_ms:
                share = (heard_ms - start_ms) / (end_ms - start_ms)
                return start_char + int((end_char - start_char) * share)
        return self._marks[-1][1]

    def _moment(self, now: Instant) -> Instant:
        return now if self._paused_at is None else self._paused_at


def whole_words(text: str, characters: int) -> str:
    """The longest beginning of `text` within `characters` that does not split a word."""
    if characters >= len(text):
        return text
    end = max(characters, 0)
    while end > 0 and not _ends_word(text, end):
        end -= 1
    return text[:end]


def _ends_word(text: str, end: int) -> bool:
    before, after = text[end - 1], text[end]
    return not before.isspace() and (after.isspace() or max(before, after) >= _UNSPACED)
