"""The rules of one conversation that a caller may choose."""

from dataclasses import dataclass

from voice_server.core.wire import TurnMode


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """When a turn ends and what may interrupt.

    `silence_ms` of quiet end a turn; in semantic mode that is the wait for an utterance of which it is
    unclear whether it is finished. `interrupt` lets speech cut a reply. `early_starts`: how often an
    utterance may be answered before it is known to be finished.
    """

    mode: TurnMode = TurnMode.SEMANTIC
    silence_ms: float = 500.0
    interrupt: bool = True
    early_starts: int = 0


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How one reply is wanted.

    `paced` audio leaves at most a little ahead of real time and counts as heard by the clock; unpaced audio
    counts as heard once sent.
    """

    wants_audio: bool = True
    paced: bool = True
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
