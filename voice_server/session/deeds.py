"""Carries out what the conversation wishes."""

from collections.abc import Callable
from typing import assert_never

from voice_server.core import commands as do
from voice_server.core.conversation import Conversation
from voice_server.core.pauses import Pauses
from voice_server.core.utterance import Source
from voice_server.session.ears import Ears
from voice_server.session.reckoning import Reckoning
from voice_server.session.recordings import Recordings
from voice_server.session.replying import Replying
from voice_server.session.telling import Telling
from voice_server.session.terms import Terms
from voice_server.session.timeline import Timelines


class Deeds:
    """One command after the other, each to whom it concerns. Nothing is waited for.

    Args:
        learn: knows this of the caller from now on.
    """

    def __init__(
        self,
        conversation: Conversation,
        terms: Terms,
        ears: Ears,
        recordings: Recordings,
        replying: Replying,
        timelines: Timelines,
        telling: Telling,
        reckoning: Reckoning,
        learn: Callable[[Pauses], None],
    ) -> None:
        self._conversation = conversation
        self._terms = terms
        self._ears = ears
        self._recordings = recordings
        self._replying = replying
        self._timelines = timelines
        self._telling = telling
        self._reckoning = reckoning
        self._learn = learn

    def carry_out(self, command: do.Command) -> None:
        """Do it now, or have it begun."""
        match command:
            case do.Show(output):
                self._timelines.note(output)
                self._telling.tell(output)
            case do.Record(conversation_id, entry):
                self._telling.record(conversation_id, entry)
                if isinstance(entry, do.AssistantHeard):
                    self._reckoning.heard(entry)
            case do.EndTurn(turn_id):
                self._reckoning.end(turn_id, self._conversation.conversation_id)
            case do.OpenUtterance(utterance):
                self._timelines.open(utterance)
                self._ears.open_utterance(command)
            case do.Settle(utterance):
                self._timelines.settle(utterance, self._stopped_at_ms(utterance))
                self._ears.settle(command)
            case do.WatchSilence():
                self._ears.watch_silence(command)
            case do.CloseUtterance(utterance):
                self._ears.close_utterance(utterance)
                self._recordings.forget(utterance)
            case do.TranscribeClip(utterance, _, clip):
                self._timelines.settle(utterance, None)
                self._terms.keep(utterance, self._recordings.choice_of(clip))
                self._recordings.transcribe(command)
            case do.StartReply():
                self._start_reply(command)
            case do.ConfirmReply(_, _, utterance, basis):
                self._timelines.start(utterance, self._terms.choice.provider_names, basis)
                if self._replying.confirm(command):
                    self._timelines.note_clause()
            case do.Learn(pauses):
                self._learn(pauses)
            case do.Speak():
                if self._replying.speak(command):
                    self._timelines.note_clause()
            case do.FinishSpeech():
                if self._replying.finish(command):
                    self._timelines.note_clause()
            case do.CancelReply():
                self._replying.stop()
            case _:
                assert_never(command)

    def _stopped_at_ms(self, utterance: int) -> float | None:
        one = self._conversation.listening.find(utterance)
        return one.stopped_at_ms if one is not None and one.source is Source.SPEECH else None

    def _start_reply(self, command: do.StartReply) -> None:
        choice = self._terms.of_reply(command)
        if not command.is_draft:
            self._timelines.start(command.utterance, choice.provider_names, command.basis)
        self._replying.start(command, choice)
