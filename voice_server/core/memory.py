"""What is remembered of a conversation, and written into its ledger: what was said, and what was heard."""

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core.cut import Cut
from voice_server.core.history import History, Message
from voice_server.core.reply import Reply
from voice_server.core.wishes import Wishes
from voice_server.ids import ConversationId


class Memory:
    """The history of the present conversation, and its last cut, of which the client may know better."""

    def __init__(self, wishes: Wishes, conversation_id: ConversationId, history: History) -> None:
        self.conversation_id = conversation_id
        self.history = history
        self._wishes = wishes
        self._cut: Cut | None = None

    def change(self, conversation_id: ConversationId, messages: tuple[Message, ...]) -> None:
        """Go on with another conversation."""
        self.conversation_id, self.history, self._cut = conversation_id, History(messages), None

    def user_said(self, said: do.UserSaid) -> None:
        """A turn of the user's begins."""
        self.history.add(said.message)
        self._record(said)

    def heard(self, reply: Reply, now: Instant) -> None:
        """All of a reply was heard that ever will be."""
        self._keep(reply, now, complete=True)

    def heard_until_cut(self, reply: Reply, now: Instant) -> None:
        """A reply was cut: the rest of it was never said."""
        message = self._keep(reply, now, complete=False)
        self._cut = Cut(reply, now, reply.playout.heard_ms(now), message)

    def corrected(self, turn_id: str, played_ms: float, now: Instant) -> Cut | None:
        """The last cut with what the client says it had played; None if that changes nothing."""
        if self._cut is None or self._cut.reply.turn_id != turn_id:
            return None
        return self._cut.corrected(played_ms, now)

    def correct(self, cut: Cut) -> None:
        """Put this in the place of the last cut."""
        self._cut = cut
        self.history.correct(cut.message)
        self._record(do.AssistantHeard(cut.reply.turn_id, cut.message, cut.heard_ms, complete=False))

    def _keep(self, reply: Reply, now: Instant, *, complete: bool) -> Message:
        message = Message(reply.message_id, "assistant", reply.heard_text(now))
        self.history.add(message)
        if reply.written:
            heard_ms = reply.playout.heard_ms(now)
            self._record(do.AssistantHeard(reply.turn_id, message, heard_ms, complete))
        return message

    def _record(self, entry: do.Entry) -> None:
        self._wishes.do(do.Record(self.conversation_id, entry))
