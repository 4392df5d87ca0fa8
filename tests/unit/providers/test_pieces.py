import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from voice_server.errors import ProviderError
from voice_server.providers.base import AudioChunk
from voice_server.providers.pieces import MOST_AHEAD_BYTES, speak_pieces

pytestmark = pytest.mark.unit


async def texts(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece


async def test_half_a_sample_waits_for_its_other_half() -> None:
    async def synthesise(words: str) -> AsyncGenerator[bytes, None]:
        for pcm in (b"a", b"bcd", b"", b"e"):
            yield pcm

    chunks = [chunk async for chunk in speak_pieces(texts("Hi.", "Ho."), synthesise)]
    for piece in (0, 1):  # the lone byte at the end belongs to no sample, nor to the next piece
        assert b"".join(chunk.pcm for chunk in chunks if chunk.piece == piece) == b"abcd"
    assert all(len(chunk.pcm) % 2 == 0 for chunk in chunks)


async def test_what_has_no_words_is_not_sent() -> None:
    asked: list[str] = []

    async def synthesise(words: str) -> AsyncGenerator[bytes, None]:
        asked.append(words)
        yield b"ab"

    chunks = [chunk async for chunk in speak_pieces(texts("…", "Hi.", "?!"), synthesise)]
    assert asked == ["Hi."]
    assert [chunk.piece for chunk in chunks if chunk.ends_piece] == [0, 1, 2]


async def test_a_failure_comes_after_the_audio_before_it() -> None:
    async def synthesise(words: str) -> AsyncGenerator[bytes, None]:
        yield b"ab"
        raise ProviderError("no more", stage="tts")

    chunks = speak_pieces(texts("Hi."), synthesise)
    assert await anext(chunks) == AudioChunk(b"ab", 0)
    with pytest.raises(ProviderError, match="no more"):
        await anext(chunks)


async def test_a_caller_who_is_paced_holds_the_vendor() -> None:
    given_bytes = 0

    async def synthesise(words: str) -> AsyncGenerator[bytes, None]:
        nonlocal given_bytes
        while True:
            given_bytes += 100_000
            yield bytes(100_000)

    async with aclosing(speak_pieces(texts("Hi."), synthesise)) as chunks:
        await anext(chunks)
        for _ in range(100):
            await asyncio.sleep(0)
        assert given_bytes <= MOST_AHEAD_BYTES + 3 * 100_000


async def test_closing_closes_the_running_call() -> None:
    is_closed = False

    async def synthesise(words: str) -> AsyncGenerator[bytes, None]:
        nonlocal is_closed
        try:
            yield b"ab"
            await asyncio.Event().wait()
        finally:
            is_closed = True

    async with aclosing(speak_pieces(texts("Hi."), synthesise)) as chunks:
        await anext(chunks)
    assert is_closed
