"""How a call truly ended.

When a server ends a call while the client writes, grpc.aio may replace the server's status by INTERNAL
("Internal error from Core"), so that a refused key would look like a broken server. The true status
has been there for a moment, and callbacks are told of it.
"""

from collections.abc import Coroutine
from typing import Any

from voice_server.providers.google.errors import status_of
from voice_server.providers.registry import import_vendor


class Verdict:
    """Watches one call from its beginning."""

    def __init__(self, call: Any) -> None:
        self._error: Exception | None = None
        call.add_done_callback(self._note)

    def truth(self, told: Exception) -> Exception:
        """The server's error where `told` hides it."""
        return self._error if self._error is not None and status_of(told) == "INTERNAL" else told

    def _note(self, call: Any) -> None:
        grpc = import_vendor("grpc", extra="google")
        code = _at_once(call.code())
        if self._error is not None or code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
            return
        aio = import_vendor("grpc.aio", extra="google")
        error = aio.AioRpcError(
            code,
            _at_once(call.initial_metadata()),
            _at_once(call.trailing_metadata()),
            _at_once(call.details()),
        )
        self._error = import_vendor("google.api_core.exceptions", extra="google").from_grpc_error(error)


def _at_once(asked: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for, as all of a call that is done."""
    try:
        asked.send(None)
    except StopIteration as done:
        return done.value
    asked.close()
    return None
