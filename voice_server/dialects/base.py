"""What a dialect is: a codec without I/O, one object a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_server.core.wire import Input, Output


@dataclass(frozen=True, slots=True)
class DialectTraits:
    """What a wire can do.

    `paced`: replies to live input are sent at most a little ahead of real time. `numbered`: messages carry
    `seq`, so that a dropped connection can be resumed.
    """

    name: str
    paced: bool = True
    numbered: bool = False


class Dialect(Protocol):
    """Between the messages of one wire and the core's inputs and outputs."""

    @property
    def traits(self) -> DialectTraits: ...

    def decode(self, message: str | bytes) -> Sequence[Input]:
        """Read one message.

        Raises:
            ProtocolError: the message breaks the wire's rules; the connection may go on.
        """
        ...

    def encode(self, output: Output, seq: int) -> Sequence[str | bytes]:
        """Write one output. `seq` is its number within the session (0: not numbered, never replayed)."""
        ...
