"""What sessions share; `app` makes it once."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from voice_server.audio.suppress import NoiseSuppressor
from voice_server.clock import Clock
from voice_server.core.journal import Journal
from voice_server.core.pauses import Habits
from voice_server.core.usage import Unmetered, UsageMeter
from voice_server.ops.recorder import Recorder
from voice_server.ops.turns import TurnWatcher
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.ears import Score
from voice_server.session.limits import Deadlines, SessionLimits
from voice_server.session.prompts import Templates
from voice_server.session.shared_vad import SharedVad
from voice_server.tools.box import ToolBox


@dataclass(frozen=True, slots=True)
class Equipment:
    """Providers and models, limits, clock, journal, habits, tools. `workers` decode clips; `default` is
    what a session uses that wishes for nothing; `phrases` are what can be said without a voice."""

    catalogue: Catalogue
    default: Choice
    vad: SharedVad
    score: Score | None
    journal: Journal
    habits: Habits
    clock: Clock
    workers: Executor
    limits: SessionLimits = SessionLimits()
    deadlines: Deadlines = Deadlines()
    phrases: Phrases | None = None
    templates: Templates | None = None
    meter: UsageMeter = Unmetered()
    tools: ToolBox = field(default_factory=ToolBox)
    watchers: Sequence[TurnWatcher] = ()
    suppress: Callable[[], NoiseSuppressor] | None = None
    recorder: Recorder | None = None
