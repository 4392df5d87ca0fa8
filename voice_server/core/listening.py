"""The user's side: a queue of utterances.

At most one is open at the microphone; any number are decided and wait for their transcripts, in the order in
which they came. Beside it stands what is known of the caller's voice: how it pauses, how loud it speaks.
"""

from collections import deque
from dataclasses import replace

from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.endpointing import Evidence, judge, longest_wait_ms
from voice_server.core.pauses import LONGEST_MS, Pauses
from voice_server.core.phrases import is_invented
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.utterance import Source, Utterance
from voice_server.core.wire import (
    PartialOut,
    SpeechStartedOut,
    SpeechStoppedOut,
    TurnMode,
)
from voice_server.core.wishes import Wishes
from voice_server.errors import LimitError


class Listening:
    """What the user is saying, and has said.

    Args:
        pauses: how this caller is known to pause.
        options: how replies to live input are wanted.
    """

    def __init__(self, wishes: Wishes, pauses: Pauses, options: ReplyOptions) -> None:
        self.open: Utterance | None = None
        self.waiting: deque[Utterance] = deque()
        self.pauses = pauses
        self.usual_dbfs: float | None = None  # how loud this caller speaks
        self._wishes = wishes
        self._options = options
        self._count = 0
        self._decided_at_ms: float | None = None  # where the voice ended that was last taken for finished

    @property
    def is_idle(self) -> bool:
        """Whether nothing was said that is still to be answered."""
        return self.open is None and not self.waiting

    @property
    def first(self) -> Utterance | None:
        """Whose turn is next, decided or not."""
        return self.waiting[0] if self.waiting else self.open

    def find(self, number: int) -> Utterance | None:
        """The utterance of this number, while it is open or waits for its turn."""
        candidates = [*self.waiting, self.open]
        return next((one for one in candidates if one and one.id == number), None)

    # ── At the microphone ────────────────────────────────────────────────────────────────────────

    def begin(self, source: Source, at_ms: float) -> Utterance:
        """Open an utterance: from here on the user speaks."""
        one = self.open = self._new(source)
        self._wishes.do(do.OpenUtterance(one.id, at_ms))
        if source is Source.SPEECH:
            self._wishes.show(SpeechStartedOut(at_ms))
        one.speaks_on()
        return one

    def go_on(self, at_ms: float, *, is_answered: bool) -> Utterance | None:
        """A voice is heard; it belongs to what is open, or was decided last if that is not answered yet."""
        if self.open is None and not is_answered:
            self._take_back(at_ms)
        if self.open is not None:
            self.open.speaks_on()
        return self.open

    def notice_pause(self, at_ms: float, *, is_answer_heard: bool) -> None:
        """The caller goes on: so long is a pause of this caller's, even if it was taken for the end."""
        if self.open and self.open.source is Source.SPEECH and self.open.revision:
            self._learn(at_ms - self.open.stopped_at_ms)
        elif self._decided_at_ms is not None and not is_answer_heard:
            self._learn(at_ms - self._decided_at_ms)
        self._decided_at_ms = None

    def fall_silent(self, at_ms: float, policy: TurnPolicy) -> Utterance | None:
        """The voice has stopped, if one was heard; what was said is transcribed."""
        if (one := self.open) is None or not one.is_speaking:
            return None
        one.is_speaking, one.stopped_at_ms = False, at_ms
        semantic = policy.mode is TurnMode.SEMANTIC and one.source is Source.SPEECH
        self._wishes.do(do.Settle(one.id, one.revision, score=semantic))
        return one

    def watch(self, one: Utterance, policy: TurnPolicy) -> None:
        """How long to wait. What the words say is waited for: without them no turn could begin anyway."""
        text, language = (one.heard.text, one.heard.language) if one.heard else (None, None)
        evidence = Evidence(one.probability, text, language, self.pauses, one.has_interrupted)
        one.endpointing = judge(policy, evidence)
        wait_ms = one.endpointing.wait_ms if one.is_understood else longest_wait_ms(policy)
        if (until_ms := one.stopped_at_ms + wait_ms) != one.silence_until_ms:
            one.silence_until_ms = until_ms
            self._wishes.do(do.WatchSilence(until_ms))

    def decide(self) -> Utterance | None:
        """The user has finished what is open."""
        if (one := self.open) is None:
            return None
        self.open, one.is_decided = None, True
        self.waiting.append(one)
        if one.source is Source.SPEECH:
            self._decided_at_ms = one.stopped_at_ms
            self._wishes.show(SpeechStoppedOut(one.stopped_at_ms))
        return one

    def clear(self) -> None:
        """What is open counts for nothing."""
        if (one := self.open) is not None:
            self.open = None
            self._close(one)

    def drop_overlong(self) -> None:
        """What awaits a commit has become too long."""
        self.clear()
        too_long = "Too much audio came without a commit; what was heard so far is dropped."
        self._wishes.show_error(LimitError(too_long, code="utterance_too_long"))

    def dismiss(self, one: Utterance) -> None:
        """It was nothing that is answered."""
        if one is self.open:
            self.open = None
            self._wishes.show(SpeechStoppedOut(one.stopped_at_ms))
        else:
            self.waiting.remove(one)
        self._close(one)

    # ── What was said ────────────────────────────────────────────────────────────────────────────

    def score(self, event: on.EndOfTurnScored, policy: TurnPolicy) -> None:
        """So finished it sounds."""
        one = self.open
        if one and (one.id, one.revision) == (event.utterance, event.revision) and not one.is_speaking:
            one.probability = event.probability
            self.watch(one, policy)

    def guess(self, event: on.PartialTranscribed) -> Utterance | None:
        """A first guess at the words of what is open."""
        if (one := self.open) is None or one.id != event.utterance:
            return None
        one.partial = event.text.strip() or one.partial
        self._show_partial(one, event.text if event.steady is None else event.steady)
        return one

    def understand(self, event: on.Transcribed | on.TranscriptionFailed) -> Utterance | None:
        """What was said in the present revision of an utterance, or that nobody will know."""
        one = self.find(event.utterance)
        if one is None or one.revision != event.revision:
            return None
        if isinstance(event, on.TranscriptionFailed):
            one.failure = event.error
            return one
        is_nothing = one.source is Source.SPEECH and not one.is_confirmed and is_invented(event.text)
        one.heard = replace(event, text="") if is_nothing else event
        if not one.is_decided:
            one.partial = one.heard.text.strip() or one.partial
            self._show_partial(one, one.heard.text.strip())
        return one

    def learn_level(self, level_dbfs: float) -> None:
        """So loud was a turn of the caller's."""
        usual_dbfs = level_dbfs if self.usual_dbfs is None else self.usual_dbfs
        self.usual_dbfs = 0.7 * usual_dbfs + 0.3 * level_dbfs

    def loudness_db(self, level_dbfs: float | None) -> float | None:
        """This level against the caller's usual one; None: not known."""
        if level_dbfs is None or self.usual_dbfs is None:
            return None
        return level_dbfs - self.usual_dbfs

    # ── The queue ────────────────────────────────────────────────────────────────────────────────

    def add_clip(self, options: ReplyOptions) -> Utterance:
        """A recording: the user has finished, its transcript is to come."""
        one = self._new(Source.CLIP, options)
        one.revision, one.is_decided = 1, True
        self.waiting.append(one)
        return one

    def add_text(self, text: str, options: ReplyOptions) -> None:
        """What was typed is understood already."""
        one = self._new(Source.TEXT, options)
        one.heard, one.is_decided = on.Transcribed(one.id, 0, text), True
        self.waiting.append(one)

    def take_first(self) -> Utterance:
        """The first that waits: its turn begins."""
        one = self.waiting.popleft()
        self._close(one)
        return one

    def _new(self, source: Source, options: ReplyOptions | None = None) -> Utterance:
        self._count += 1
        return Utterance(self._count, source, options or self._options)

    def _take_back(self, at_ms: float) -> None:
        """The user goes on before the turn could begin: the last utterance was not finished after all."""
        if self.waiting and self.waiting[-1].source is Source.SPEECH:
            self.open = self.waiting.pop()
            self.open.is_decided = False
            self._wishes.show(SpeechStartedOut(at_ms))

    def _close(self, one: Utterance) -> None:
        if one.source is not Source.TEXT:
            self._wishes.do(do.CloseUtterance(one.id))

    def _learn(self, pause_ms: float) -> None:
        if 0 < pause_ms <= LONGEST_MS:
            self.pauses = self.pauses.and_then(pause_ms)
            self._wishes.do(do.Learn(self.pauses))

    def _show_partial(self, one: Utterance, text: str) -> None:
        if text and text != one.shown:
            one.shown = text
            self._wishes.show(PartialOut(text))
