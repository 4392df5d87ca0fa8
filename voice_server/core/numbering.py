"""The ids that one session gives."""

from dataclasses import dataclass

from voice_server.ids import MessageId, TurnId


@dataclass(slots=True)
class Numbering:
    """Counts up, each kind by itself; `seed` makes the ids of turns and messages the session's own.

    A copy (`replace`) tells which ids will come next, without giving them.
    """

    seed: str
    generations: int = 0
    turns: int = 0
    messages: int = 0

    def generation(self) -> int:
        """The next generation of replies."""
        self.generations += 1
        return self.generations

    def turn(self) -> TurnId:
        """The next turn."""
        self.turns += 1
        return TurnId(f"turn_{self.seed}{self.turns:05}")

    def message(self) -> MessageId:
        """The next message."""
        self.messages += 1
        return MessageId(f"msg_{self.seed}{self.messages:05}")
