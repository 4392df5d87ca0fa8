"""The live input of a caller: opened and closed, and not faster than it can pass."""

from collections.abc import Callable

from voice_server.audio.format import InputFormat
from voice_server.clock import Clock, Instant
from voice_server.core.events import Cleared, Committed, Event, StreamClosed, StreamOpened
from voice_server.errors import ProtocolError
from voice_server.session.choice import Choice
from voice_server.session.ears import Ears


class Microphone:
    """What the caller does with it is told to the ears and the conversation.

    Args:
        most_ahead_ms: how far the input may be ahead of real time.
    """

    def __init__(self, ears: Ears, emit: Callable[[Event], None], clock: Clock, most_ahead_ms: float) -> None:
        self._ears = ears
        self._emit = emit
        self._clock = clock
        self._most_ahead_ms = most_ahead_ms
        self._has_refused = False
        self._due = Instant(0.0)  # when the input received so far has passed in real time

    @property
    def is_in_time(self) -> bool:
        """Whether audio may be taken without asking it to slow down."""
        return self._ears.is_open and self._due - self._clock.now() < self._most_ahead_ms

    def open(self, choice: Choice, form: InputFormat) -> None:
        """A stream begins; one before it is over."""
        self.close()
        self._has_refused, self._due = False, self._clock.now()
        self._ears.open_stream(choice, form)
        self._emit(StreamOpened())

    def close(self) -> None:
        """The stream ends."""
        if self._ears.is_open:
            self._ears.close_stream()
            self._emit(StreamClosed(self._ears.position_ms))

    def commit(self) -> None:
        """What came so far is all."""
        self._emit(Committed(self._ears.position_ms))

    def clear(self) -> None:
        """What came so far is nothing."""
        self._ears.forget()
        self._emit(Cleared())

    def push(self, data: bytes) -> float:
        """Take audio; gives by how much it is too far ahead, in milliseconds.

        Raises:
            VoiceServerError: no stream is open, which is said once; or it is not the audio it was declared
                to be.
        """
        if not self._ears.is_open:
            if self._has_refused:
                return 0.0
            self._has_refused = True
            raise ProtocolError(
                "Audio came while no input stream is open; send 'audio_stream_start' first.",
                code="no_stream",
            )
        passed_ms = self._ears.push(data)
        now = self._clock.now()
        self._due = Instant(max(self._due, now) + passed_ms)
        return max(self._due - now - self._most_ahead_ms, 0.0)
