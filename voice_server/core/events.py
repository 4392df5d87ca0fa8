"""Facts that the conversation is told, in the order in which they happened.

Positions (`at_ms`) are milliseconds of the input stream; nothing here carries the time of day.
`utterance` and `revision` name what a transcript is of: a revision is one more stretch of speech heard.
`generation` names a reply; facts about a reply that is over are dropped by the conversation.
"""

from dataclasses import dataclass

from voice_server.core.history import Message
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.errors import VoiceServerError
from voice_server.ids import ConversationId

# ── From the ears ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Voice is heard from `at_ms` on."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class SpeechConfirmed:
    """The voice has lasted long enough to be no cough. `level_dbfs`: how loud it is."""

    at_ms: float
    level_dbfs: float | None = None


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The voice ended at `at_ms`; it may come back."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class VoiceCompared:
    """So much the voice up to `at_ms` is like what is played (0 by chance, 1 the same), so loud it is."""

    at_ms: float
    likeness: float
    level_dbfs: float


@dataclass(frozen=True, slots=True)
class SilenceReached:
    """The answer to `WatchSilence`: no voice came back up to `at_ms`."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class UtteranceFull:
    """The open utterance has reached its longest; it ends here."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class InputBegan:
    """The first audio since the last turn, where nobody listens for a voice (manual mode)."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class EndOfTurnScored:
    """How finished the utterance sounds, 0 to 1."""

    utterance: int
    revision: int
    probability: float


@dataclass(frozen=True, slots=True)
class PartialTranscribed:
    """What has been understood so far. `steady`: as much of it as is fit to be shown; None: all."""

    utterance: int
    text: str
    steady: str | None = None


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The transcript of an utterance up to a revision; empty when no speech was in it."""

    utterance: int
    revision: int
    text: str
    language: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionFailed:
    """There will be no transcript."""

    utterance: int
    revision: int
    error: VoiceServerError


# ── From the caller ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The microphone is open."""


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The microphone is closed; what was heard since the last turn is a turn."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Committed:
    """The caller says that the utterance is over."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Cleared:
    """The caller takes back what was heard since the last turn."""


@dataclass(frozen=True, slots=True)
class ClipReceived:
    """A recorded utterance came; `clip` is the driver's name for it."""

    clip: int
    options: ReplyOptions


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A typed turn."""

    text: str
    options: ReplyOptions


@dataclass(frozen=True, slots=True)
class Prompted:
    """The server is to open the conversation with these words, unless the user has opened it already."""

    text: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The caller wants quiet."""


@dataclass(frozen=True, slots=True)
class PlaybackReported:
    """The listener has heard this much of a reply. `is_paused`: no more until the next report."""

    turn_id: str
    played_ms: float
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Other turn-taking rules, in force from here on; perhaps another language to apologise in."""

    policy: TurnPolicy
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationChanged:
    """Another conversation is taken up, with what was said in it."""

    conversation_id: ConversationId
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Detached:
    """The connection dropped: nobody listens, the playback clock stands still, the microphone is closed."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Attached:
    """A connection is back; `unreceived_ms` of the current reply's audio are sent to it again."""

    unreceived_ms: float = 0.0


# ── From the mind ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ReplyWritten:
    """The next piece of reply text."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The reply's text is whole."""

    generation: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """There will be no more text."""

    generation: int
    error: VoiceServerError


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model wants a client's tool and waits for it."""

    generation: int
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolsSlow:
    """Tools keep the caller waiting; `words` may be said about it."""

    generation: int
    words: str


# ── From the mouth ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AudioProduced:
    """A chunk on its way out, encoded. Heard to its end, the reply is heard up to `end_char`.

    `format` and `rate_hz` are those of the whole reply; `words` are those that begin in this chunk. `timing`:
    better knowledge of audio that is out already, positions in the reply's audio and the character reached.
    """

    generation: int
    data: bytes
    duration_ms: float
    end_char: int
    words: str
    format: str
    rate_hz: int
    timing: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechFinished:
    """All audio of the reply is out."""

    generation: int


@dataclass(frozen=True, slots=True)
class SpeechFailed:
    """There will be no more audio. `said`: what the mouth could still say of it, by heart."""

    generation: int
    error: VoiceServerError
    said: str = ""


# ── From the clock ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tick:
    """It is `wake_at`, or later."""


Event = (
    SpeechStarted
    | SpeechConfirmed
    | SpeechStopped
    | VoiceCompared
    | SilenceReached
    | UtteranceFull
    | InputBegan
    | EndOfTurnScored
    | PartialTranscribed
    | Transcribed
    | TranscriptionFailed
    | StreamOpened
    | StreamClosed
    | Committed
    | Cleared
    | ClipReceived
    | TextReceived
    | Prompted
    | StopRequested
    | PlaybackReported
    | PolicyChanged
    | ConversationChanged
    | Detached
    | Attached
    | ReplyWritten
    | ReplyFinished
    | ReplyFailed
    | ToolCalled
    | ToolsSlow
    | AudioProduced
    | SpeechFinished
    | SpeechFailed
    | Tick
)
