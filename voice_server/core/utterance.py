"""One thing the user says, from its first sound until its turn begins."""

from dataclasses import dataclass, field
from enum import StrEnum

from voice_server.core.endpointing import Endpointing
from voice_server.core.events import Transcribed
from voice_server.core.overlap import Overlap
from voice_server.core.policy import ReplyOptions
from voice_server.errors import VoiceServerError


class Source(StrEnum):
    """How it came in."""

    SPEECH = "speech"  # live, ended by silence
    COMMIT = "commit"  # live, ended by the client
    CLIP = "clip"
    TEXT = "text"


@dataclass(slots=True)
class Utterance:
    """`revision` counts its stretches of speech: a transcript of an older one is worthless.

    It is *decided* once the user has finished; it then waits for its transcript, and for its turn. It is
    *confirmed* if a voice in it lasted too long to be a cough. `probability`: how finished the present
    revision sounds. `partial` is the last guess at its words, `shown` what the client was told of them.
    """

    id: int
    source: Source
    options: ReplyOptions = field(default_factory=ReplyOptions)
    revision: int = 0
    is_speaking: bool = False
    is_decided: bool = False
    stopped_at_ms: float = 0.0
    silence_until_ms: float = 0.0
    is_confirmed: bool = False
    level_dbfs: float | None = None
    probability: float | None = None
    endpointing: Endpointing | None = None
    overlap: Overlap | None = None
    has_interrupted: bool = False
    early_starts: int = 0
    partial: str = ""
    shown: str = ""
    heard: Transcribed | None = None
    failure: VoiceServerError | None = None

    @property
    def is_live(self) -> bool:
        """Whether it comes from the open microphone."""
        return self.source in (Source.SPEECH, Source.COMMIT)

    @property
    def is_understood(self) -> bool:
        """Whether it is known what was said, or that it never will be."""
        return self.heard is not None or self.failure is not None

    def is_over(self, at_ms: float) -> bool:
        """Whether it has been quiet for long enough."""
        return not self.is_speaking and at_ms >= self.silence_until_ms

    def confirm(self, level_dbfs: float | None) -> None:
        """A voice in it has lasted long enough to be no cough; the first level that is known is its own."""
        self.is_confirmed = True
        self.level_dbfs = level_dbfs if self.level_dbfs is None else self.level_dbfs

    def speaks_on(self) -> None:
        """Voice is heard (again): whatever was understood is not the whole."""
        self.revision += 1
        self.is_speaking = True
        self.probability = None
        self.heard = None
        self.failure = None
