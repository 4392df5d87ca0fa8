"""The numbers a session keeps to; `app` fills them from the settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session."""

    idle_ms: float = 120_000
    longest_ms: float = 3_600_000
    warn_before_end_ms: float = 30_000
    resume_window_ms: float = 30_000
    replay_bytes: int = 4 << 20
    replay_ms: float = 30_000
    input_ahead_ms: float = 2_000
    output_ahead_ms: float = 2_000
    input_stall_ms: float = 300
    saving_ms: float = 250
    tool_bridge_ms: float = 0.0  # how long a tool may take in silence; 0 is for ever
    clips_waiting: int = 8
    utterance_s: float = 300  # of a recording, or of live speech without a pause


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a tool may take, and how long a caller who waits may hear nothing; 0 is as long as it takes.

    How long a provider may say nothing is its chain's affair.
    """

    tool_ms: float = 30_000
    silence_ms: float = 0
    filler_ms: float = 0
