"""How servers are spoken to, and what they mean by their messages."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Literal, Protocol

import msgspec

from voice_server.bench import work

Mode = Literal["ptt", "vad"]


class Heard(Enum):
    """What a message of the server means to a caller."""

    READY = auto()
    AUDIO = auto()
    INTERRUPTED = auto()
    WHOLE = auto()  # no more audio of this reply comes
    TIMINGS = auto()
    OTHER = auto()


class Wire(Protocol):
    """How one kind of server is spoken to; texts are sent as they are."""

    def hello(self, mode: Mode) -> Sequence[str]:
        """Said as soon as the socket is open."""
        ...

    def on_ready(self) -> Sequence[str]:
        """Said once the server is ready, before any audio."""
        ...

    def begin(self) -> str:
        """The button goes down."""
        ...

    def end(self) -> str:
        """The button comes up."""
        ...

    def meaning(self, text: str) -> Heard:
        """What a text message says. Binary messages are audio."""
        ...

    def timings(self, text: str) -> Mapping[str, float]:
        """The milliseconds of each stage, of a message that tells them."""
        ...


class _Typed(msgspec.Struct):
    type: str


class _Timings(msgspec.Struct):
    endpoint_ms: float | None = None
    stt_ms: float | None = None
    llm_first_token_ms: float | None = None
    tts_first_audio_ms: float | None = None
    response_ms: float | None = None


_TYPED = msgspec.json.Decoder(_Typed)
_TIMINGS = msgspec.json.Decoder(_Timings)


class NativeWire:
    """Our own protocol, reply audio in binary messages."""

    def hello(self, mode: Mode) -> Sequence[str]:
        turns = {
            "mode": "manual" if mode == "ptt" else "vad",
            "threshold": work.VAD_THRESHOLD,
            "silence_ms": int(work.VAD_STOP_S * 1000),
        }
        output = {"format": "pcm16", "sample_rate": work.OUT_RATE_HZ, "transport": "binary"}
        return [_json({"type": "init", "turn_detection": turns, "output_audio": output})]

    def on_ready(self) -> Sequence[str]:
        return [_json({"type": "audio_stream_start", "format": "pcm16", "sample_rate": work.IN_RATE_HZ})]

    def begin(self) -> str:
        return _json({"type": "audio_clear"})

    def end(self) -> str:
        return _json({"type": "audio_commit"})

    def meaning(self, text: str) -> Heard:
        match _TYPED.decode(text).type:
            case "init_ack":
                return Heard.READY
            case "interrupted":
                return Heard.INTERRUPTED
            case "audio_stream_end":
                return Heard.WHOLE
            case "metrics":
                return Heard.TIMINGS
            case _:
                return Heard.OTHER

    def timings(self, text: str) -> Mapping[str, float]:
        stages = msgspec.structs.asdict(_TIMINGS.decode(text))
        return {name: value for name, value in stages.items() if value is not None}


def _json(fields: object) -> str:
    return msgspec.json.encode(fields).decode()
