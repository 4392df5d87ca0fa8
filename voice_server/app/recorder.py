"""Recordings of sessions, if they are wanted."""

from voice_server.clock import Clock
from voice_server.ops.recorder import Recorder, RecorderLimits
from voice_server.settings import Settings

_MB = 1_000_000
_DAY_S = 86_400


def open_recorder(settings: Settings, clock: Clock) -> Recorder | None:
    """Where sessions are recorded.

    Raises:
        ConfigurationError: nothing can be written there.
    """
    wished = settings.recording
    if wished.folder is None:
        return None
    limits = RecorderLimits(
        keeps_audio=wished.audio,
        session_bytes=wished.session_mb * _MB,
        total_bytes=wished.total_mb * _MB,
        keep_s=wished.keep_days * _DAY_S,
        lines_waiting=wished.lines_waiting,
    )
    return Recorder(wished.folder, limits, clock)
