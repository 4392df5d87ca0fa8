"""What the gateway knows of a socket, whoever accepted it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Protocol
from urllib.parse import parse_qs

from voice_server.services.keys import COOKIE


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that asked for the socket. Header names are lower case; `peer` is the TCP address."""

    path: str
    query: str
    headers: Mapping[str, str]
    peer: str

    @property
    def credential(self) -> str | None:
        """The key it brings: a Bearer token, `X-API-Key`, `?api_key=`, or a cookie that stands for one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return token.strip()
        if key := self.headers.get("x-api-key"):
            return key
        if key := next(iter(parse_qs(self.query).get("api_key", [])), None):
            return key
        try:
            cookie = SimpleCookie(self.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return cookie.value if cookie is not None else None


class Socket(Protocol):
    """Messages in, messages out. One reader and one writer at a time."""

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            SocketClosed: there will be none.
        """
        ...

    async def send(self, *messages: str | bytes) -> None:
        """Send messages; returns once they are on their way or buffered within bounds.

        Raises:
            SocketClosed: the peer is gone.
        """
        ...

    def shortcut(self, take: Callable[[bytes], bool]) -> None:
        """Offer binary messages to `take` as they arrive, while a `receive` waits and nothing is unread.

        What it declines is received as ever. A socket may do without this: it saves the waking of a task.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Say good-bye; never raises."""
        ...

    def hold(self) -> None:
        """Read nothing more for now: what a stranger may send is not used up while the key is looked up."""
        ...

    def release(self) -> None:
        """Read on."""
        ...

    def admit(self) -> None:
        """The peer is known: the bound on what a stranger may send is lifted."""
        ...
