"""What a turn came to: how long it took and what it cost, told to all who want to know."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from voice_server.core import commands as do
from voice_server.ids import ConversationId, SessionId, TurnId
from voice_server.ops.turns import TurnWatcher
from voice_server.providers.metered import Bill
from voice_server.session.telling import Telling
from voice_server.session.timeline import Timelines


class Reckoning:
    """One session's. `turns`: how many have ended.

    Args:
        look: at what the caller may still use.
    """

    def __init__(
        self,
        session_id: SessionId,
        timelines: Timelines,
        bill: Bill,
        telling: Telling,
        watchers: Sequence[TurnWatcher],
        look: Callable[[], object],
    ) -> None:
        self.turns = 0
        self._session_id = session_id
        self._timelines = timelines
        self._bill = bill
        self._telling = telling
        self._watchers = watchers
        self._look = look

    def end(self, turn_id: TurnId, conversation_id: ConversationId) -> None:
        """Everything of this turn is sent."""
        self.turns += 1
        metrics = replace(self._timelines.metrics(turn_id), cost_amount=self._bill.take_turn())
        self._look()
        self._telling.record(conversation_id, do.TurnMeasured(metrics))
        self._telling.show(metrics)
        report = self._timelines.report(self._session_id, conversation_id, turn_id)
        for watcher in self._watchers:
            watcher.turn_ended(report)

    def heard(self, entry: do.AssistantHeard) -> None:
        """So much of a reply was heard."""
        heard = self._timelines.heard(entry.turn_id, entry.heard_ms)
        for watcher in self._watchers:
            watcher.reply_heard(heard)
