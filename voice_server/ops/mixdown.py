"""The sound of a recorded session: the caller on the left, the assistant on the right, as they were heard.

The caller's audio stands where it came, a reply's where it was sent, queued behind what is still playing; of
a reply that was cut there is as much as was heard. What was sent as MP3 or Opus is decoded.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from voice_server.audio.clip import decode_clip
from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ, InputEncoding, InputFormat, bytes_of_ms
from voice_server.clock import Instant
from voice_server.core.events import AudioProduced
from voice_server.core.tape import Plain, Tape, is_mark, mark
from voice_server.errors import AudioError, RecordingError

__all__ = ["mix_down"]

_JITTER_MS = 200.0
_LONGEST_REPLY_S = 86_400.0
_RAW = ("pcm16", "mulaw")


def mix_down(tape: Tape) -> bytes:
    """A stereo WAV file at 16 kHz.

    Raises:
        RecordingError: no audio was recorded.
    """
    replies = list(_replies(tape))
    began_at = min((*(one.at for one in tape.steps[:1]), *(one.at for one in tape.heard)), default=0.0)
    caller, assistant = _Track(began_at), _Track(began_at)
    for heard in tape.heard:
        caller.put(heard.at, heard.pcm, _JITTER_MS)
    for reply in replies:
        pcm = reply.pcm()
        for at, from_ms, until_ms in reply.pieces:
            assistant.put(at, pcm[_at(from_ms) : _at(until_ms)])
    if not caller.pcm and not assistant.pcm:
        raise RecordingError("This recording holds no audio: `recording.audio` was off, or nobody spoke.")
    return _stereo(bytes(caller.pcm), bytes(assistant.pcm))


class _Track:
    """PCM16 mono 16 kHz that grows at its end."""

    def __init__(self, began_at: float) -> None:
        self.pcm = bytearray()
        self._began_at = began_at

    def put(self, at: float, pcm: bytes, jitter_ms: float = 0.0) -> None:
        """Sound that begins at this moment, or once what is there is over."""
        missing = _at(at - self._began_at) - len(self.pcm)
        if missing > _at(jitter_ms):
            self.pcm += bytes(missing)
        self.pcm += pcm


@dataclass(slots=True)
class _Reply:
    """One reply as it was sent. `pieces`: when each was, and from where to where in the reply's sound."""

    format: str
    rate_hz: int
    data: bytearray = field(default_factory=bytearray)
    sent_ms: float = 0.0
    pieces: list[tuple[Instant, float, float]] = field(default_factory=list)

    def cut(self, heard_ms: float) -> None:
        """No more of it was heard."""
        self.pieces = [(at, begin, min(end, heard_ms)) for at, begin, end in self.pieces if begin < heard_ms]

    def pcm(self) -> bytes:
        """Its sound, 16 kHz; none if it was too short to be any."""
        declared = InputFormat(InputEncoding(self.format), self.rate_hz) if self.format in _RAW else None
        try:
            return decode_clip(bytes(self.data), declared, _LONGEST_REPLY_S)
        except AudioError:
            return b""


def _replies(tape: Tape) -> Iterator[_Reply]:
    """What went out, in order: wishes name the audio that events brought by its mark."""
    audio: dict[str, bytes] = {}
    replies: dict[str, _Reply] = {}
    for step in tape.steps:
        if isinstance(step.event, AudioProduced):
            audio[mark(step.event.data)] = step.event.data
        for output in _shown(step.wishes or ()):
            match output:
                case {"AudioStart": told}:
                    replies[told["turn_id"]] = _Reply(told["format"], told["sample_rate"])
                case {"AudioOut": told}:
                    reply, data = replies[told["turn_id"]], audio[told["data"]]
                    if not is_mark(data):
                        reply.data += data
                        end_ms = reply.sent_ms + told["duration_ms"]
                        reply.pieces.append((step.at, reply.sent_ms, end_ms))
                        reply.sent_ms = end_ms
                case {"Interrupted": told} if told["turn_id"] in replies:
                    replies[told["turn_id"]].cut(told["heard_ms"])
    yield from (reply for reply in replies.values() if reply.data)


def _shown(wishes: Sequence[Plain]) -> Iterator[Plain]:
    for wish in wishes:
        if "Show" in wish:
            yield wish["Show"]["output"]


def _at(milliseconds: float) -> int:
    return bytes_of_ms(milliseconds, STT_RATE_HZ)


def _stereo(left: bytes, right: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses an ffmpeg that plain PCM does not need
        from pydub import AudioSegment
    length = max(len(left), len(right))
    tracks = [
        AudioSegment(
            pcm.ljust(length, b"\0"), sample_width=BYTES_PER_SAMPLE, frame_rate=STT_RATE_HZ, channels=1
        )
        for pcm in (left, right)
    ]
    with io.BytesIO() as file:
        AudioSegment.from_mono_audiosegments(*tracks).export(file, format="wav")
        return file.getvalue()
