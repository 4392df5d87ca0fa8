"""What a caller may wish about how the end of a turn is found."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voice_server.core.wire import TurnDetectionChanges
from voice_server.errors import ProtocolError
from voice_server.session.choice import Choice


def changed_detection(choice: Choice, changes: TurnDetectionChanges | None) -> Mapping[str, Any]:
    """The fields of the choice that change.

    Raises:
        ProtocolError: a number out of its bounds.
    """
    if changes is None:
        return {}
    policy = choice.policy
    return {
        "policy": replace(
            policy,
            mode=changes.mode if changes.mode is not None else policy.mode,
            silence_ms=_within("silence_ms", changes.silence_ms, policy.silence_ms, 100, 10_000),
            interrupt=changes.interrupt if changes.interrupt is not None else policy.interrupt,
        ),
        "vad_threshold": _within("threshold", changes.threshold, choice.vad_threshold, 0.05, 0.95),
        "prefix_ms": _within("prefix_ms", changes.prefix_ms, choice.prefix_ms, 0, 2_000),
    }


def _within(name: str, wished: float | None, current: float, low: float, high: float) -> float:
    if wished is None:
        return current
    if not low <= wished <= high:
        raise ProtocolError(f"turn_detection.{name} must be from {low:g} to {high:g}.", code="bad_field")
    return wished
