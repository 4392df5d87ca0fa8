"""The caller speaks while a reply is heard: an interruption, a nod, or nothing that is meant for us.

Decided by what is at hand at each moment: how loud the voice is for this caller, whether it sounds like our
own, how long it goes on, which words it is. Words decide as soon as there are some. Until then the reply is
held, unless it is our own voice that we hear: nothing more of it is sent, and nothing is lost.
"""

from dataclasses import dataclass
from enum import StrEnum

from voice_server.clock import Instant
from voice_server.core.phrases import Phrase, is_echo, is_nod, phrase_of
from voice_server.core.reply import Reply

WORDLESS_MS = 500.0
"""Once confirmed, a voice of which no words are known is given this long."""
NODDING_MS = 1_500.0
"""Whatever has been nods, or our own words, so far."""
RAISED_DB = 6.0
"""So much above the caller's usual voice is meant to be heard over ours."""
ECHO_MS = 1_500.0
"""So far from what is being heard may lie the words that an echo brings."""
ECHO_LIKENESS = 0.35
"""A voice so much like what is being played is taken for its echo. After half a second, that is right of 95
echoes in 100, and wrong of one caller in 100, or of some 20 who speak through an echo."""
OVER_ECHO_TIMES = 3
"""So often in a row it is raised above the echo it began as, and like no echo: a caller, and no mere nod."""
FAINT_DB = 14.0
"""So much below, it is somebody else's in the background."""
ANSWERING_MS = 1_000.0
"""So near its end, what is said over a question answers it: "yes" is no nod then."""


class Verdict(StrEnum):
    """What a voice over a reply is."""

    HOLD = "hold"  # not clear yet
    CUT = "cut"
    PASS = "pass"  # the reply goes on as if nothing had been said


@dataclass(slots=True)
class Overlap:
    """One utterance that began while a reply was heard.

    `heard_ms` of the reply had been heard when it began. `decide_by`: when patience ends; None before the
    voice is confirmed. `loudness_db` is relative to the caller's usual voice, `likeness` to what is played (0
    by chance, 1 the same); `echo_dbfs`: how loud it was while it was our own voice, `over_echo`: how often in
    a row more than that. `is_holding`: nothing more of the reply is sent for now, from the first sound on.
    """

    generation: int
    heard_ms: float
    decide_by: Instant | None = None
    loudness_db: float | None = None
    likeness: float | None = None
    echo_dbfs: float | None = None
    over_echo: int = 0
    is_holding: bool = True

    @classmethod
    def over(cls, reply: Reply, now: Instant) -> "Overlap | None":
        """A voice begins; None where the caller does not hear the reply, or is about to answer it."""
        playout = reply.playout
        if not reply.options.paced or playout.sent_ms <= 0:
            return None
        heard_ms = playout.heard_ms(now)
        is_asked = reply.is_text_whole and reply.written.rstrip().endswith("?")
        if is_asked and playout.sent_ms - heard_ms < ANSWERING_MS:
            return None
        return cls(reply.generation, heard_ms)

    def words_of(self, reply: Reply, now: Instant) -> str:
        """What of the reply may have come back through the microphone."""
        end_ms = reply.playout.heard_ms(now) + ECHO_MS
        return reply.said_between(max(self.heard_ms - ECHO_MS, 0.0), end_ms)

    @property
    def is_ducking(self) -> bool:
        """Whether the caller is to notice: the voice is confirmed and the reply held."""
        return self.is_holding and self.decide_by is not None

    @property
    def is_faint(self) -> bool:
        """Whether it is too quiet to be the caller's."""
        return self.loudness_db is not None and self.loudness_db <= -FAINT_DB

    @property
    def is_echo(self) -> bool:
        """Whether it sounds like our own voice."""
        return self.likeness is not None and self.likeness >= ECHO_LIKENESS

    def compare(self, likeness: float, level_dbfs: float) -> None:
        """So much like what is being played it sounds, so loud. Over our own echo we do not fall silent."""
        self.likeness = likeness
        self.is_holding = not (self.is_faint or self.is_echo)
        if self.is_echo:
            self.echo_dbfs = level_dbfs if self.echo_dbfs is None else 0.7 * self.echo_dbfs + 0.3 * level_dbfs
        is_over = not self.is_echo and self.echo_dbfs is not None and level_dbfs >= self.echo_dbfs + RAISED_DB
        self.over_echo = self.over_echo + 1 if is_over else 0

    def confirm(self, loudness_db: float | None, now: Instant) -> None:
        """The voice has lasted long enough to be no cough."""
        is_faint = loudness_db is not None and loudness_db <= -FAINT_DB
        if is_faint and self.decide_by is not None:
            return  # somebody else goes on behind the caller, whose voice it was before
        self.loudness_db = loudness_db
        self.is_holding = not (self.is_faint or self.is_echo)
        if self.decide_by is None and not self.is_faint:
            self.decide_by = Instant(now + WORDLESS_MS)

    def fall_silent(self, now: Instant) -> None:
        """The voice has stopped: its words are on their way."""
        if self.decide_by is not None:
            self.decide_by = Instant(max(self.decide_by, now + NODDING_MS))

    def judge(
        self, text: str | None, ours: str, language: str | None, now: Instant, *, is_whole: bool
    ) -> Verdict:
        """What it is, given the words so far and those of ours that the caller has just heard.

        Args:
            language: of the words (BCP 47).
            is_whole: the voice has stopped, and the words are all that was said.
        """
        if self.over_echo >= OVER_ECHO_TIMES:
            return Verdict.CUT
        if self.is_faint:
            return Verdict.PASS if is_whole else Verdict.HOLD
        if not text:
            return self._judge_wordless(now, is_whole=is_whole)
        is_alike = self.is_echo and phrase_of(text, language) is not Phrase.ANSWER
        is_ours = is_echo(text, ours, is_whole=is_whole, is_alike=is_alike)
        if not is_ours and not is_nod(text, language):
            return Verdict.CUT
        if is_whole:
            return Verdict.PASS
        if self.decide_by is not None:
            self.is_holding = not (is_ours or self.is_echo)
            self.decide_by = Instant(max(self.decide_by, now + NODDING_MS))
        return Verdict.HOLD

    def _judge_wordless(self, now: Instant, *, is_whole: bool) -> Verdict:
        if is_whole:
            return Verdict.PASS
        if self.decide_by is None:
            return Verdict.HOLD
        if self.is_echo:
            self.decide_by = Instant(max(self.decide_by, now + WORDLESS_MS))
            return Verdict.HOLD
        is_raised = self.loudness_db is not None and self.loudness_db >= RAISED_DB
        return Verdict.CUT if is_raised or now >= self.decide_by else Verdict.HOLD
