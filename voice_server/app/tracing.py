"""Traces of turns, if they are wanted."""

from typing import TYPE_CHECKING

from voice_server.clock import Clock
from voice_server.errors import ConfigurationError

if TYPE_CHECKING:
    from voice_server.ops.tracing import TurnTracer


def open_tracer(endpoint: str, clock: Clock) -> "TurnTracer":
    """Where traces of turns go.

    Raises:
        ConfigurationError: the extra that brings OpenTelemetry is not installed.
    """
    try:
        from voice_server.ops import tracing
    except ImportError as error:
        raise ConfigurationError(
            f"traces need a package that is not installed ({error}); run `pip install 'voice-server[otel]'`."
        ) from error
    return tracing.open_tracer(endpoint, clock)
