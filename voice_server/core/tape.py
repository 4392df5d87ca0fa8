"""A session on tape: what its conversation was told and answered, and what was heard, one JSON object a line.

The first line says what the conversation began with, each other one is a step, a stretch of the caller's
audio, or the end. A step names its event and its wishes by their classes; fields at their defaults are left
out, so that a field may be added to a class and old tapes still say the same. The audio of a reply stands in
the event that brought it; wishes carry its mark in its stead, as the events do too where no audio is kept.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from hashlib import blake2b
from typing import Any, assert_never, get_args

import msgspec

from voice_server import errors
from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core.conversation import Conversation
from voice_server.core.history import History, Message
from voice_server.core.pauses import Pauses
from voice_server.core.policy import TurnPolicy
from voice_server.core.wire import Output
from voice_server.errors import RecordingError, VoiceServerError
from voice_server.ids import ConversationId

FORMAT = 1

Plain = Any
"""A command as JSON has it: `{"Show": {"output": {"Status": {"status": "listening"}}}}`."""

_EVENTS: Mapping[str, type[on.Event]] = {kind.__name__: kind for kind in get_args(on.Event)}
_NAMED = frozenset(one for union in (on.Event, do.Command, do.Entry, Output) for one in get_args(union))
"""What stands where several classes may: its name is written too."""
_MARK = re.compile(rb"#[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a conversation is given; see `Conversation`."""

    seed: str
    conversation_id: ConversationId
    policy: TurnPolicy = TurnPolicy()
    messages: tuple[Message, ...] = ()
    pauses: Pauses = Pauses()
    is_paced: bool = True
    language: str = "en"

    def conversation(self) -> Conversation:
        """One that begins like this."""
        return Conversation(
            self.seed,
            self.conversation_id,
            self.policy,
            History(self.messages),
            pauses=self.pauses,
            is_paced=self.is_paced,
            language=self.language,
        )


# ── The lines ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Title:
    """The first line. `began_at`: the time of day (ISO 8601); `software`: the version that recorded."""

    session_id: str
    began_at: str
    software: str
    beginning: Beginning


@dataclass(frozen=True, slots=True)
class Step:
    """One fact and the wishes that followed from it; None: the step broke."""

    at: Instant
    event: on.Event
    wishes: Sequence[do.Command] | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A stretch of the caller's audio, as the ears had it: PCM16 mono 16 kHz.

    `at`: when it began to come; `position_ms`: where in the input stream it begins; None: a recorded clip.
    """

    at: Instant
    position_ms: float | None
    pcm: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The last line: why there is no more."""

    reason: str


Line = Title | Step | Heard | End


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step as it is read: its wishes stay plain, for they are only compared and shown."""

    at: Instant
    event: on.Event
    wishes: Sequence[Plain] | None


@dataclass(frozen=True, slots=True)
class Tape:
    """A recording, read. `end` is None if it broke off; what stands before that is whole."""

    title: Title
    steps: Sequence[RecordedStep]
    heard: Sequence[Heard]
    end: str | None


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────


def encode(line: Line, *, keeps_audio: bool = True) -> bytes:
    """One line, its end included."""
    match line:
        case Title(session_id, began_at, software, beginning):
            plain: Plain = {
                "format": FORMAT,
                "software": software,
                "session_id": session_id,
                "began_at": began_at,
                "beginning": _plain(beginning, mark),
            }
        case Step(at, event, wishes):
            plain = {
                "at": at,
                "event": _plain(event, _base64 if keeps_audio else mark),
                "wishes": None if wishes is None else [_plain(one, mark) for one in wishes],
            }
        case Heard(at, position_ms, pcm):
            plain = {"at": at, "position_ms": position_ms, "heard": _base64(pcm)}
        case End(reason):
            plain = {"end": reason}
        case _:
            assert_never(line)
    return msgspec.json.encode(plain) + b"\n"


def as_recorded(told: Sequence[do.Command | on.Event]) -> Sequence[Plain]:
    """What would be read of these, had they been recorded, audio by its mark."""
    plain: Sequence[Plain] = msgspec.json.decode(msgspec.json.encode([_plain(one, mark) for one in told]))
    return plain


def mark(audio: bytes) -> str:
    """What stands for audio; a mark's own mark is itself."""
    return audio.decode() if is_mark(audio) else f"#{blake2b(audio, digest_size=8).hexdigest()}"


def is_mark(audio: bytes) -> bool:
    """Whether it stands for audio that was not kept."""
    return _MARK.fullmatch(audio) is not None


def _base64(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def _plain(value: object, show: Callable[[bytes], str]) -> Plain:
    """As JSON has it; `show` says how bytes are written."""
    match value:
        case bytes():
            return show(value)
        case VoiceServerError():
            return _plain_error(value)
        case tuple() | list():
            return [_plain(one, show) for one in value]
        case Mapping():
            return {name: _plain(one, show) for name, one in value.items()}
    if not is_dataclass(value):
        return value
    told = {
        field.name: _plain(content, show)
        for field in fields(value)
        if (content := getattr(value, field.name)) != _default(field)
    }
    return {type(value).__name__: told} if type(value) in _NAMED else told


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _plain_error(error: VoiceServerError) -> Plain:
    """The class is the nearest one that everybody knows: the conversation asks for it."""
    kind = next(one for one in type(error).__mro__ if one.__module__ == errors.__name__)
    told = {"kind": kind.__name__, "code": error.code, "message": error.message}
    return told | {"stage": error.stage, "retryable": error.retryable}


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────


def read(lines: Iterable[bytes]) -> Tape:
    """Read what was written. The last line may be cut off, as it is after a crash: it is left out.

    Raises:
        RecordingError: it is no recording, one of another format, or damaged before its last line.
    """
    numbered = enumerate(lines, 1)
    title = _read_title(next(numbered, (1, b""))[1])
    steps: list[RecordedStep] = []
    heard: list[Heard] = []
    end = None
    for line in _whole(numbered):
        match line:
            case RecordedStep():
                steps.append(line)
            case Heard():
                heard.append(line)
            case End(reason):
                end = reason
            case _:
                assert_never(line)
    return Tape(title, steps, heard, end)


def _whole(numbered: Iterator[tuple[int, bytes]]) -> Iterator[RecordedStep | Heard | End]:
    for number, raw in numbered:
        try:
            yield _decode(raw)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError) as error:
            if not raw.endswith(b"\n"):
                return
            raise RecordingError(
                f"Line {number} of the recording cannot be read: it is damaged, or tells of something that"
                " this version does not know."
            ) from error


def _read_title(raw: bytes) -> Title:
    try:
        told = msgspec.json.decode(raw)
        version = told["format"]
        if version == FORMAT:
            return msgspec.convert(told, Title)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise RecordingError("This is not a recording of a session.") from error
    raise RecordingError(
        f"This recording has the format {version}, this version of voice-server reads the format {FORMAT}."
    )


def _decode(raw: bytes) -> RecordedStep | Heard | End:
    match msgspec.json.decode(raw):
        case {"end": str(reason)}:
            return End(reason)
        case {"at": float() | int() as at, "position_ms": position_ms, "heard": str(pcm)}:
            return Heard(Instant(at), position_ms, base64.b64decode(pcm, validate=True))
        case {"at": float() | int() as at, "event": event, "wishes": list() | None as wishes}:
            return RecordedStep(Instant(at), _read_event(event), wishes)
        case other:
            raise ValueError(other)


def _read_event(told: Plain) -> on.Event:
    ((name, content),) = told.items()
    kind = _EVENTS[name]
    if "data" in content:
        content["data"] = _read_audio(content["data"])
    return msgspec.convert(content, kind, builtin_types=(bytes,), dec_hook=_read_error)


def _read_audio(told: str) -> bytes:
    return told.encode() if told.startswith("#") else base64.b64decode(told, validate=True)


def _read_error(kind: type, told: Plain) -> VoiceServerError:
    if not issubclass(kind, VoiceServerError):
        raise NotImplementedError(kind)  # msgspec's word for: not a type of this hook's
    error: VoiceServerError = getattr(errors, told["kind"])(
        told["message"], code=told["code"], stage=told["stage"]
    )
    error.retryable = told["retryable"]
    return error
