"""A reply begun before the turn, on a transcript that may not be the last.

Its author and its voice are at work already; nobody is told and nothing is remembered. Either the turn begins
with just these words, and it becomes the reply, or it is dropped without a trace.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.phrases import Phrase, phrase_of
from voice_server.core.policy import TurnPolicy
from voice_server.core.reply import Reply
from voice_server.core.utterance import Source, Utterance


def is_worth_drafting(one: Utterance, policy: TurnPolicy) -> bool:
    """Whether the user has probably finished, and all that is missing is certainty."""
    if one.is_speaking or one.heard is None or one.source is not Source.SPEECH:
        return False
    phrase = phrase_of(one.heard.text, one.heard.language)
    is_allowed = one.early_starts < policy.early_starts and one.overlap is None
    return is_allowed and phrase not in (Phrase.UNKNOWN, Phrase.OPEN, Phrase.DICTATION)


@dataclass(slots=True)
class Draft:
    """`reply` answers `text`, what was understood of a revision of an utterance. Wishes for mind and mouth go
    to `wish` at once; what the caller or the journal would notice waits in `held`, audio in `audio`."""

    utterance: int
    revision: int
    text: str
    began: Instant
    wish: Callable[[do.Command], None]
    reply: Reply = field(init=False)
    held: list[do.Command] = field(default_factory=list)
    audio: list[on.AudioProduced | on.SpeechFinished | on.SpeechFailed] = field(default_factory=list)

    def answers(self, one: Utterance | None) -> bool:
        """Whether its utterance is this one, and stands as it was."""
        if one is None or one.is_speaking or one.heard is None or one.failure is not None:
            return False
        is_same = (one.id, one.revision) == (self.utterance, self.revision)
        return is_same and one.heard.text.strip() == self.text

    def is_failed_by(self, event: on.Event) -> bool:
        """Whether nothing to say comes of it."""
        is_empty = isinstance(event, on.ReplyFinished) and not self.reply.written
        return is_empty or isinstance(event, on.ReplyFailed)

    @property
    def ahead_ms(self) -> float:
        """How much audio waits."""
        return sum(event.duration_ms for event in self.audio if isinstance(event, on.AudioProduced))

    def take(self, command: do.Command) -> None:
        """A wish of the reply's."""
        match command:
            case do.Speak() | do.FinishSpeech():
                self.wish(command)
            case do.Show() | do.Record() | do.EndTurn():
                self.held.append(command)
            case (
                do.OpenUtterance()
                | do.Settle()
                | do.WatchSilence()
                | do.CloseUtterance()
                | do.TranscribeClip()
                | do.StartReply()
                | do.ConfirmReply()
                | do.CancelReply()
                | do.Learn()
            ):
                raise AssertionError(f"a reply does not wish for {command}")
            case _:
                assert_never(command)
