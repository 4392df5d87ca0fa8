"""What sessions share; `app` makes it once."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from voice_server.audio.suppress import NoiseSuppressor
from voice_server.audio.voice_activity import Vad
from voice_server.clock import Clock
from voice_server.core.journal import Journal
from voice_server.core.pauses import Habits
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.ears import Score
from voice_server.session.limits import Deadlines, SessionLimits


@dataclass(frozen=True, slots=True)
class Equipment:
    """Providers and models, limits, clock, journal, habits. `workers` decode clips; `default` is what a
    session uses that wishes for nothing."""

    catalogue: Catalogue
    default: Choice
    vad: Vad
    score: Score | None
    journal: Journal
    habits: Habits
    clock: Clock
    workers: Executor
    limits: SessionLimits = SessionLimits()
    deadlines: Deadlines = Deadlines()
    suppress: Callable[[], NoiseSuppressor] | None = None
