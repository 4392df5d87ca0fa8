import pytest

from voice_server.errors import ProviderError
from voice_server.providers.base import FinalHeard, PartialHeard, Transcript
from voice_server.providers.heard import HeardQueue

pytestmark = pytest.mark.unit

FINAL = FinalHeard(Transcript("one two"), 1)


async def test_a_partial_that_nobody_read_is_replaced_and_finals_are_kept() -> None:
    queue = HeardQueue()
    for heard in (PartialHeard("one"), PartialHeard("one two"), FINAL, PartialHeard("one two three")):
        queue.put(heard)
    queue.end()
    queue.put(PartialHeard("too late"))
    assert [heard async for heard in queue] == [PartialHeard("one two"), FINAL, PartialHeard("one two three")]


async def test_the_error_comes_last_and_the_first_end_counts() -> None:
    queue = HeardQueue()
    queue.put(FINAL)
    queue.end(ProviderError("gone", stage="stt"))
    queue.end()
    heard = aiter(queue)
    assert await anext(heard) == FINAL
    with pytest.raises(ProviderError, match="gone"):
        await anext(heard)
