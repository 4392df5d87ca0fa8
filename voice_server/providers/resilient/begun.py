"""Waiting for what is often there already."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """Something awaited, as far as it goes without waiting; if `is_over`, awaiting it does not wait.

    A stream often brings much at once: then no timer need be set for each word and each sound of it. To be
    awaited at once, by the task that made it.
    """

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self._steps = awaitable.__await__()
        self._result: T
        self._first: Any = None
        self.is_over = False
        try:
            self._first = next(self._steps)
        except StopIteration as end:
            self.is_over, self._result = True, end.value

    def __await__(self) -> Generator[Any, Any, T]:
        if self.is_over:
            return self._result
        wish = self._first
        take: Callable[[Any], Any]
        while True:
            try:
                sent = yield wish
            except BaseException as error:  # passed on, as `yield from` does
                take, given = self._steps.throw, error
            else:
                take, given = self._steps.send, sent
            try:
                wish = take(given)
            except StopIteration as end:
                self._result = end.value
                return self._result
