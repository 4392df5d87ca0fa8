"""What can go wrong for a client, in one tree.

ClientError
├── ServerError         the server said no: its code, sentence and stage
├── ConnectionLost      the connection could not be made, or broke; a session that was open can be resumed
├── ServerTimeout       the server did not do in time what it should (a TimeoutError too)
└── ProtocolViolation   the server sent what its own protocol does not allow: a bug to report
"""


class ClientError(Exception):
    """Base of the tree."""


class ServerError(ClientError):
    """The server said no."""

    def __init__(self, code: str, message: str, *, stage: str, retryable: bool) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.stage = stage
        self.retryable = retryable


class ConnectionLost(ClientError):
    """The connection could not be made, or broke.

    `close_code` is the WebSocket's (1006: no close frame came); `http_status` is set where the server refused
    the upgrade.
    """

    def __init__(
        self, message: str, *, close_code: int | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(message)
        self.close_code = close_code
        self.http_status = http_status


class ServerTimeout(ClientError, TimeoutError):
    """The server did not do in time what it should."""


class ProtocolViolation(ClientError):
    """The server sent what its own protocol does not allow."""
