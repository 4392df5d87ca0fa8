"""What the caller is told, once it may be: some of it not before it is saved."""

from collections.abc import Awaitable, Callable

from voice_server.core import commands as do
from voice_server.core.caller import Caller
from voice_server.core.journal import Journal, Remembered
from voice_server.core.wire import AiResponse, ErrorOut, Output, TranscriptionOut
from voice_server.errors import NotFoundError, VoiceServerError
from voice_server.ids import ConversationId
from voice_server.session.gate import Gate


class Telling:
    """Records what is said, and says it.

    Args:
        put: takes what may go out, in order.
        saving_ms: how long what is told waits for the journal.
    """

    def __init__(
        self, journal: Journal, caller: Caller, put: Callable[[Output], None], saving_ms: float
    ) -> None:
        self._journal = journal
        self._caller = caller
        self._gate = Gate(put, saving_ms)
        self._saving: Awaitable[None] | None = None  # the last thing said that the caller will be told

    def begin(self, remembered: Remembered, user_id: str) -> None:
        """The session is in this conversation."""
        if remembered.is_new:
            self.record(remembered.id, do.Began(user_id))

    def record(self, conversation_id: ConversationId, entry: do.Entry) -> None:
        """Keep an entry; nobody waits for it but what tells of it."""
        saving = self._journal.record(self._caller.owner, conversation_id, entry)
        if isinstance(entry, do.UserSaid | do.AssistantWrote):
            self._saving = saving

    def tell(self, output: Output) -> None:
        """Say what the conversation wishes; a final transcript and a reply once they are saved."""
        if self._saving is not None and isinstance(output, TranscriptionOut | AiResponse):
            self._gate.show_saved(output, self._saving)
            self._saving = None
        else:
            self.show(output)

    def show(self, output: Output) -> None:
        """Say it, after what waits to be saved."""
        self._gate.show(output)

    def report(self, error: VoiceServerError) -> None:
        """Say what went wrong, outside of a turn."""
        self.show(ErrorOut.of(error))

    def report_missing(self, remembered: Remembered) -> None:
        """Say so if this is not the conversation that was wished for."""
        if remembered.trouble is not None:
            self.report(remembered.trouble)
        elif remembered.is_unknown:
            unknown = "No conversation has this id; a new one is used."
            self.report(NotFoundError(unknown, code="unknown_conversation"))

    async def finish(self) -> None:
        """Until nothing waits to be saved any more."""
        await self._gate.empty()
