"""A recorded session once more: the same facts at the same moments, and whether the same wishes follow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voice_server.core.tape import Plain, RecordedStep, Tape, as_recorded

__all__ = ["Replayed", "first_difference", "replay"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A step and what follows from it now. `wishes` is None if the step breaks, which `error` tells of."""

    number: int
    step: RecordedStep
    wishes: Sequence[Plain] | None
    error: Exception | None = None

    @property
    def is_same(self) -> bool:
        """Whether what follows is what followed then."""
        return self.wishes == self.step.wishes

    @property
    def differs_at(self) -> int:
        """Which of the wishes is the first that differs."""
        then, now = self.step.wishes or (), self.wishes or ()
        same = (index for index, (a, b) in enumerate(zip(then, now, strict=False)) if a != b)
        return next(same, min(len(then), len(now)))


def replay(tape: Tape) -> Iterator[Replayed]:
    """Tell a new conversation what the recorded one was told; ends with the first step that breaks."""
    conversation = tape.title.beginning.conversation()
    for number, step in enumerate(tape.steps, 1):
        try:
            wishes = as_recorded(conversation.step(step.event, step.at))
        except Exception as error:  # whatever a bug raises: the recording may be there to show it
            yield Replayed(number, step, None, error)
            return
        yield Replayed(number, step, wishes)


def first_difference(tape: Tape) -> Replayed | None:
    """The first step that is answered otherwise than it was; None: there is none."""
    return next((one for one in replay(tape) if not one.is_same), None)
