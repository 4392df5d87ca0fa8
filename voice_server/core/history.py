"""What the conversation remembers: what the user said, and of each reply what was heard."""

from dataclasses import dataclass
from typing import Literal

from voice_server.ids import MessageId


@dataclass(frozen=True, slots=True)
class Message:
    """One remembered message."""

    id: MessageId
    role: Literal["user", "assistant"]
    text: str


class History:
    """Messages in order, bounded by `max_chars`.

    Too long a history is cut to half of `max_chars` in one step, so that the beginning of the prompt stays
    the same over many turns and the model's cache of it stays good.
    """

    def __init__(self, messages: tuple[Message, ...] = (), max_chars: int = 8_000) -> None:
        self._messages = list(messages)
        self._max_chars = max_chars
        self._trim()

    @property
    def messages(self) -> tuple[Message, ...]:
        """Oldest first; a reply of which nothing was heard is not among them."""
        return tuple(message for message in self._messages if message.text)

    def add(self, message: Message) -> None:
        """Remember a message, at the cost of the oldest where there are too many."""
        self._messages.append(message)
        self._trim()

    def correct(self, message: Message) -> None:
        """Put better knowledge in the place of the message with this id."""
        self._messages = [message if old.id == message.id else old for old in self._messages]

    def _trim(self) -> None:
        if sum(len(message.text) for message in self._messages) <= self._max_chars:
            return
        kept: list[Message] = []
        room = self._max_chars // 2
        for message in reversed(self._messages):
            room -= len(message.text)
            if room < 0 and kept:
                break
            kept.append(message)
        self._messages = kept[::-1]
