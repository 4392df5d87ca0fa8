"""Turns to tell about."""

from voice_server.clock import Instant
from voice_server.core.wire import EarlyStarts
from voice_server.ops.turns import Moment, TurnReport

MOMENTS = {
    Moment.SPEECH_ENDED: 1_000,
    Moment.DECIDED: 1_500,
    Moment.TRANSCRIBED: 1_520,
    Moment.FIRST_TOKEN: 1_720,
    Moment.FIRST_CLAUSE: 1_820,
    Moment.FIRST_AUDIO: 1_910,
    Moment.SENT: 2_000,
}


def report(
    *,
    end_reason: str = "completed",
    failures: tuple[tuple[str, str], ...] = (),
    without: tuple[Moment, ...] = (),
    early_starts: EarlyStarts | None = None,
) -> TurnReport:
    moments = {moment: Instant(at) for moment, at in MOMENTS.items() if moment not in without}
    providers = {"stt": "ears", "llm": "local/qwen", "tts": "mouth"}
    return TurnReport("sess_1", "conv_1", "turn_1", end_reason, moments, providers, failures, early_starts)
