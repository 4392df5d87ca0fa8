"""Carries out what the conversation wishes."""

from dataclasses import replace
from typing import assert_never

from voice_server.core import commands as do
from voice_server.core.caller import Caller
from voice_server.core.conversation import Conversation
from voice_server.core.utterance import Source
from voice_server.ids import SessionId, TurnId
from voice_server.providers.metered import Bill
from voice_server.session.allowance import Allowance
from voice_server.session.ears import Ears, Spawn
from voice_server.session.equipment import Equipment
from voice_server.session.recordings import Recordings
from voice_server.session.replying import Replying
from voice_server.session.telling import Telling
from voice_server.session.terms import Terms
from voice_server.session.timeline import Timelines


class Deeds:
    """One command after the other, each to whom it concerns. Nothing is waited for."""

    def __init__(
        self,
        session_id: SessionId,
        caller: Caller,
        user_id: str,
        equipment: Equipment,
        conversation: Conversation,
        terms: Terms,
        ears: Ears,
        recordings: Recordings,
        replying: Replying,
        timelines: Timelines,
        telling: Telling,
        bill: Bill,
        allowance: Allowance,
        spawn: Spawn,
    ) -> None:
        self.turns = 0
        self._session_id = session_id
        self._caller = caller
        self._user_id = user_id
        self._habits, self._watchers = equipment.habits, equipment.watchers
        self._conversation = conversation
        self._terms = terms
        self._ears = ears
        self._recordings = recordings
        self._replying = replying
        self._timelines = timelines
        self._telling = telling
        self._bill = bill
        self._allowance = allowance
        self._spawn = spawn

    def carry_out(self, command: do.Command) -> None:
        """Do it now, or have it begun."""
        match command:
            case do.Show(output):
                self._timelines.note(output)
                self._telling.tell(output)
            case do.Record(conversation_id, entry):
                self._telling.record(conversation_id, entry)
                if isinstance(entry, do.AssistantHeard):
                    heard = self._timelines.heard(entry.turn_id, entry.heard_ms)
                    for watcher in self._watchers:
                        watcher.reply_heard(heard)
            case do.EndTurn(turn_id):
                self._end_turn(turn_id)
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
                self._spawn(self._recordings.transcribe(command), "clip")
            case do.StartReply():
                self._start_reply(command)
            case do.ConfirmReply(_, _, utterance, basis):
                self._timelines.start(utterance, self._terms.choice.provider_names, basis)
                if self._replying.confirm(command):
                    self._timelines.note_clause()
            case do.Learn(pauses):
                self._habits.learn(self._caller.owner, self._user_id, pauses)
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

    def _end_turn(self, turn_id: TurnId) -> None:
        conversation_id = self._conversation.conversation_id
        metrics = replace(self._timelines.metrics(turn_id), cost_amount=self._bill.take_turn())
        self.turns += 1
        self._spawn(self._allowance.look(), "limits")
        self._telling.record(conversation_id, do.TurnMeasured(metrics))
        self._telling.show(metrics)
        for watcher in self._watchers:
            watcher.turn_ended(self._timelines.report(self._session_id, conversation_id, turn_id))
