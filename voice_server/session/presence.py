"""Whether somebody is at the other end: connections come, drop, and take over from one another."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

from voice_server.core.wire import Resume
from voice_server.ids import new_token
from voice_server.session.ears import Spawn
from voice_server.session.outbox import Outbox, audio_ms


class Attachment(Protocol):
    """The connection that reads a session's outbox."""

    def close_soon(self, code: int, reason: str) -> None:
        """Another connection takes over, or the session is over."""
        ...


class Presence:
    """At most one connection; without one the session waits to be resumed, for a while.

    Args:
        came_back: another connection goes on; told how much of the newest reply it has not received.
        left: the connection dropped.
        end: ends the session, with the reason.
    """

    def __init__(
        self,
        outbox: Outbox,
        window_ms: float,
        spawn: Spawn,
        came_back: Callable[[float], None],
        left: Callable[[], None],
        end: Callable[[str], None],
    ) -> None:
        self.token = new_token()
        self._outbox = outbox
        self._window_ms = window_ms
        self._spawn = spawn
        self._came_back = came_back
        self._left = left
        self._end = end
        self._attachment: Attachment | None = None
        self._times_left = 0

    @property
    def is_there(self) -> bool:
        """Whether somebody is connected."""
        return self._attachment is not None

    def attach(self, attachment: Attachment) -> None:
        """A first connection is there."""
        self._attachment = attachment

    def may_resume(self, wish: Resume) -> bool:
        """Whether this wish to go on is its caller's, and can be granted in full."""
        is_known = secrets.compare_digest(wish.token.encode(), self.token.encode())
        return is_known and self._outbox.holds_after(wish.last_seq)

    def resume(self, attachment: Attachment, last_seq: int) -> None:
        """Another connection takes over; it is sent everything after `last_seq`."""
        if (old := self._attachment) is not None:
            self.detach(old)
            old.close_soon(1001, "taken over by another connection")
        self.token = new_token()
        unreceived_ms = audio_ms(self._outbox.after(last_seq))
        self._outbox.rewind(last_seq)
        self._attachment = attachment
        self._came_back(unreceived_ms)

    def detach(self, attachment: Attachment) -> None:
        """The connection dropped; one that has been replaced does not matter."""
        if self._attachment is attachment:
            self._attachment = None
            self._times_left += 1
            self._left()
            self._spawn(self._wait(self._times_left), "resume window")

    def let_go(self) -> None:
        """The connection is too slow."""
        if self._attachment is not None:
            self._attachment.close_soon(1008, "too slow")

    async def _wait(self, time_left: int) -> None:
        await asyncio.sleep(self._window_ms / 1000)
        if self._attachment is None and self._times_left == time_left:
            self._end("disconnected")
