"""What follows from one fact, in the order in which it is to be done."""

from voice_server.core import commands as do
from voice_server.core.wire import ErrorOut, Output, Status, StatusKind
from voice_server.errors import VoiceServerError
from voice_server.ids import TurnId


class Wishes:
    """Collects the commands of a step. `status` is what the caller was last told."""

    def __init__(self) -> None:
        self.status: StatusKind | None = None
        self._commands: list[do.Command] = []

    def take(self) -> list[do.Command]:
        """What was wished since the last time."""
        commands, self._commands = self._commands, []
        return commands

    def do(self, command: do.Command) -> None:
        """Wish for this."""
        self._commands.append(command)

    def show(self, output: Output) -> None:
        """Tell the caller."""
        self.do(do.Show(output))

    def show_status(self, status: StatusKind) -> None:
        """Tell the caller, unless it is known."""
        if status is not self.status:
            self.status = status
            self.show(Status(status))

    def show_error(self, error: VoiceServerError, turn_id: TurnId | None = None) -> None:
        """Tell the caller what went wrong."""
        self.show(ErrorOut.of(error, turn_id))
