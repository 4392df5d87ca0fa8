"""Wishes of the conversation; the session carries them out in order."""

from dataclasses import dataclass

from voice_server.core.endpointing import Endpointing
from voice_server.core.history import Message
from voice_server.core.pauses import Pauses
from voice_server.core.policy import ReplyOptions
from voice_server.core.wire import Metrics, Output
from voice_server.ids import ConversationId, TurnId

# ── To the caller and the journal ────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Show:
    """Tell the caller."""

    output: Output


@dataclass(frozen=True, slots=True)
class UserSaid:
    """A user message, whole."""

    turn_id: TurnId
    message: Message
    spoken: bool
    language: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class AssistantWrote:
    """A reply's text is whole (or as whole as it gets); how much of it is heard is not known yet."""

    turn_id: TurnId
    message: Message


@dataclass(frozen=True, slots=True)
class AssistantHeard:
    """What was heard of a reply. It may come again for the same message with better knowledge."""

    turn_id: TurnId
    message: Message
    heard_ms: float
    complete: bool


@dataclass(frozen=True, slots=True)
class ServerSaid:
    """A sentence the model did not write; never history."""

    turn_id: TurnId
    text: str


@dataclass(frozen=True, slots=True)
class Began:
    """A new conversation, of this person."""

    user_id: str


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """How long the turn took, who served it and what it cost."""

    metrics: Metrics


Entry = Began | UserSaid | AssistantWrote | AssistantHeard | ServerSaid | TurnMeasured


@dataclass(frozen=True, slots=True)
class Record:
    """Keep an entry of this conversation's ledger."""

    conversation_id: ConversationId
    entry: Entry


@dataclass(frozen=True, slots=True)
class EndTurn:
    """Nothing more is generated for this turn: tell its timings."""

    turn_id: TurnId


@dataclass(frozen=True, slots=True)
class Learn:
    """Know this of the caller from now on."""

    pauses: Pauses


# ── To the ears ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Begin to transcribe, from `from_ms` of the input stream (less the prefix)."""

    utterance: int
    from_ms: float


@dataclass(frozen=True, slots=True)
class Settle:
    """The user may have finished: transcribe what there is. `score`: judge how finished it sounds."""

    utterance: int
    revision: int
    score: bool = False


@dataclass(frozen=True, slots=True)
class WatchSilence:
    """Say when the input has been quiet up to `until_ms`; replaces the watch before it."""

    until_ms: float


@dataclass(frozen=True, slots=True)
class CloseUtterance:
    """Nothing more is wanted of this utterance."""

    utterance: int


@dataclass(frozen=True, slots=True)
class TranscribeClip:
    """Decode and transcribe a recording."""

    utterance: int
    revision: int
    clip: int


# ── To mind and mouth ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TurnBasis:
    """Why a turn began when it did: the wait that ended it, and the early starts of its utterance.

    `was_drafted`: the last of those became the reply, begun `lead_ms` before the turn; the others were thrown
    away.
    """

    endpointing: Endpointing | None = None
    early_starts: int = 0
    was_drafted: bool = False
    lead_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class StartReply:
    """Write a reply to `messages` and speak it; without messages the words come by `Speak`.

    `utterance` names what it answers, for the timings; `language` is what that was heard to be in.
    `is_draft`: the turn has not begun; run no tool before `ConfirmReply`, and expect `CancelReply`.
    """

    generation: int
    turn_id: TurnId
    utterance: int | None
    messages: tuple[Message, ...] | None
    options: ReplyOptions
    language: str | None = None
    basis: TurnBasis = TurnBasis()
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmReply:
    """The draft is the reply: its turn begins."""

    generation: int
    turn_id: TurnId
    utterance: int
    basis: TurnBasis


@dataclass(frozen=True, slots=True)
class Speak:
    """More text for the mouth. `written=False`: words that are not the model's, spoken but not counted."""

    generation: int
    text: str
    written: bool = True


@dataclass(frozen=True, slots=True)
class FinishSpeech:
    """No more text comes for the mouth."""

    generation: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop writing and speaking, at once."""

    generation: int


Command = (
    Show
    | Record
    | EndTurn
    | OpenUtterance
    | Settle
    | WatchSilence
    | CloseUtterance
    | TranscribeClip
    | StartReply
    | ConfirmReply
    | Speak
    | FinishSpeech
    | CancelReply
    | Learn
)
