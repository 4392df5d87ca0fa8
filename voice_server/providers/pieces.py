"""Speaks a reply piece by piece with a voice that takes one text at a time, the next while one is played."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

from voice_server.audio.format import BYTES_PER_SAMPLE
from voice_server.providers.base import AudioChunk, Marks
from voice_server.providers.dropping import drop

MOST_AHEAD_BYTES = 1 << 20
"""Audio waiting for a caller who is being paced: 22 s at 24 kHz. Beyond it the vendor waits."""

Synthesise = Callable[[str], AsyncGenerator[bytes | Marks, None]]
"""Text with something to say in it, to PCM16 in pieces of any length, odd byte counts included.

Where words end may come between, before or after the sound it is about.
"""


async def speak_pieces(text: AsyncIterator[str], synthesise: Synthesise) -> AsyncGenerator[AudioChunk, None]:
    """Speak each piece of `text` by one call of `synthesise`, as `TextToSpeech.speak` promises.

    Closing this closes the running call. Errors of `synthesise` and of `text` come out in their place.
    """
    chunks = ChunkQueue()
    filling = asyncio.create_task(_fill(chunks, text, synthesise))
    try:
        async for chunk in chunks:
            yield chunk
        await filling
    finally:
        await drop(filling)  # its failure has been raised above, or nobody is left to be told


async def _fill(chunks: "ChunkQueue", text: AsyncIterator[str], synthesise: Synthesise) -> None:
    try:
        piece = 0
        async for words in text:
            if has_words(words):
                async with aclosing(synthesise(words)) as audio:
                    async for sound in audio:
                        if isinstance(sound, bytes):
                            await chunks.put(sound, piece)
                        else:
                            chunks.mark(sound)
            chunks.end_piece(piece)
            piece += 1
    finally:
        chunks.end()


def token_end(text: str, end: int) -> int:
    """Where a word that ends at `end` has its punctuation behind it."""
    while end < len(text) and not (text[end].isspace() or text[end].isalnum()):
        end += 1
    return end


def has_words(text: str) -> bool:
    """Whether there is anything to say: vendors refuse a text of punctuation, or bill its silence."""
    return any(character.isalnum() for character in text)


class ChunkQueue:
    """Audio on its way from a vendor to a caller; bounded in bytes. One writer, one reader.

    The reader gets what there is at once. A chunk is known to end its piece only if the end has come by then;
    otherwise an empty chunk ends it.
    """

    def __init__(self, most_bytes: int = MOST_AHEAD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._chunks: deque[AudioChunk] = deque()
        self._bytes = 0
        self._carry = b""  # half a sample
        self._marks: Marks = ()
        self._change = asyncio.Event()
        self._is_over = False

    async def put(self, pcm: bytes, piece: int) -> None:
        """Add audio of `piece`; waits while the reader is too far behind."""
        pcm = self._carry + pcm
        whole = len(pcm) - len(pcm) % BYTES_PER_SAMPLE
        pcm, self._carry = pcm[:whole], pcm[whole:]
        if not pcm:
            return
        while self._bytes >= self._most_bytes:
            await self._changed()
        self._bytes += len(pcm)
        self._add(AudioChunk(pcm, piece, timing=self._taken_marks()))

    def mark(self, marks: Marks) -> None:
        """Where words of the present piece end; told with what is added next."""
        self._marks += marks

    def end_piece(self, piece: int) -> None:
        """The audio of `piece` is complete."""
        self._carry = b""
        last = AudioChunk(b"", piece)
        if self._chunks and self._chunks[-1].piece == piece:
            last = self._chunks.pop()
        self._add(replace(last, ends_piece=True, timing=last.timing + self._taken_marks()))

    def end(self) -> None:
        """Nothing more comes."""
        self._is_over = True
        self._change.set()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._bytes -= len(chunk.pcm)
                self._change.set()
                yield chunk
            if self._is_over:
                return
            await self._changed()

    def _taken_marks(self) -> Marks:
        marks, self._marks = self._marks, ()
        return marks

    def _add(self, chunk: AudioChunk) -> None:
        self._chunks.append(chunk)
        self._change.set()

    async def _changed(self) -> None:
        self._change.clear()
        await self._change.wait()
