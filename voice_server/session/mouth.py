"""Speaks one reply: text in pieces to the voice, audio in chunks to the caller, at the caller's pace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from voice_server.audio.format import OutputFormat, bytes_of_ms, duration_ms
from voice_server.audio.outgoing import OutputEncoder, open_encoder
from voice_server.audio.timing import Timing, time_words
from voice_server.core.events import AudioProduced, Event, SpeechFailed, SpeechFinished
from voice_server.errors import ProviderError, ProviderTimeout, VoiceServerError
from voice_server.providers.base import AudioChunk, TextToSpeech, Voice
from voice_server.session.clauses import ClauseSplitter, Piece
from voice_server.session.limits import Deadlines

log = structlog.get_logger()

CHUNK_MS = 100
CHARS_PER_MS = 0.015  # of English speech: a guess for a piece whose length is not known yet
_PACING_STEP_MS = 250  # the caller may be away: look again now and then


@dataclass(frozen=True, slots=True)
class Delivery:
    """How audio leaves. `ahead_ms` tells how much of what was sent is still to be played."""

    form: OutputFormat
    most_ahead_ms: float | None
    ahead_ms: Callable[[], float]


class Mouth:
    """One reply's voice. Text may be fed before the voice is ready; it waits."""

    def __init__(
        self,
        generation: int,
        tts: TextToSpeech,
        voice: Voice,
        delivery: Delivery,
        emit: Callable[[Event], None],
        deadlines: Deadlines,
    ) -> None:
        self._generation = generation
        self._tts = tts
        self._voice = voice
        self._delivery = delivery
        self._emit = emit
        self._deadlines = deadlines
        self._splitter = ClauseSplitter()
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()  # bounded by the length of a reply
        self._spoken: list[Piece] = []  # those the voice has taken, in order
        self._patience = asyncio.timeout(None)  # with the voice
        self._is_text_taken = False  # all of it
        self._encoder: OutputEncoder | None = None
        self._finished_pieces = 0
        self._piece_ms = 0.0  # of the present piece, what went out
        self._piece_pcm = bytearray()
        self._piece_timing = Timing(())  # empty while it can only be guessed
        self._corrections: tuple[tuple[float, int], ...] = ()
        self._sent_ms = 0.0  # of the reply, what went into the encoder
        self._told_char = 0  # of the present piece, up to where the words were told
        self._unsent_ms = 0.0  # encoded, but still within the encoder
        self._end_char = 0

    def feed(self, text: str, *, written: bool = True) -> None:
        """More text; `written=False`: words that are no part of the reply's text."""
        for piece in self._splitter.push(text) if written else self._splitter.own_words(text):
            self._queue.put_nowait(piece)

    def finish(self) -> None:
        """No more text comes."""
        for piece in self._splitter.finish():
            self._queue.put_nowait(piece)
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Speak until everything is out or the voice has failed."""
        try:
            await self._tts.warm()
            await self._speak()
            self._emit(SpeechFinished(self._generation))
        except VoiceServerError as error:
            self._emit(SpeechFailed(self._generation, error))
        except Exception as error:
            log.exception("text-to-speech broke", provider=self._tts.name)
            broken = ProviderError("Speech synthesis failed.", stage="tts")
            broken.__cause__ = error
            self._emit(SpeechFailed(self._generation, broken))

    async def _speak(self) -> None:
        rate_hz = self._tts.capabilities.rate_hz
        self._encoder = open_encoder(self._delivery.form, rate_hz)
        try:
            async with asyncio.timeout(None) as self._patience:
                async with aclosing(self._tts.speak(self._texts(), self._voice)) as chunks:
                    self._await_audio()
                    async for chunk in chunks:
                        is_first = self._is_silent
                        await self._send_chunk(chunk, rate_hz)
                        if is_first:
                            await asyncio.sleep(0)  # it goes out before a voice that never waits goes on
                        self._await_audio()
        except TimeoutError as error:
            if not self._patience.expired():
                raise
            raise ProviderTimeout(f"The voice was silent for {self._allowed_s:g} s.", stage="tts") from error
        if not self._is_text_taken:
            raise ProviderError("The voice ended before the text did.", stage="tts")
        if rest := self._encoder.finish():
            self._produce(rest, "")

    async def _texts(self) -> AsyncIterator[str]:
        while (piece := await self._queue.get()) is not None:
            was_starved = self._is_starved
            self._spoken.append(piece)
            if was_starved:
                self._await_audio()
            yield piece.text.strip()
        self._is_text_taken = True

    def _await_audio(self) -> None:
        """From now on the voice may be silent for so long, while it has text to work on."""
        self._set_deadline(None if self._is_starved else asyncio.get_running_loop().time() + self._allowed_s)

    def _set_deadline(self, at_s: float | None) -> None:
        if self._patience.when() != at_s and not self._patience.expired():
            self._patience.reschedule(at_s)

    @property
    def _allowed_s(self) -> float:
        deadlines = self._deadlines
        return (deadlines.tts_first_audio_ms if self._is_silent else deadlines.tts_gap_ms) / 1000

    @property
    def _is_silent(self) -> bool:
        """Whether the voice has said nothing yet."""
        return self._end_char == 0 and self._piece_ms == 0

    @property
    def _is_starved(self) -> bool:
        """Whether all text that came is spoken: then the model is slow, not the voice."""
        return self._finished_pieces >= len(self._spoken)

    async def _send_chunk(self, chunk: AudioChunk, rate_hz: int) -> None:
        piece = self._spoken[chunk.piece]
        self._time(chunk, piece, rate_hz)
        total_ms = self._piece_ms + duration_ms(len(chunk.pcm), rate_hz)
        step_bytes = bytes_of_ms(CHUNK_MS, rate_hz)
        for start in range(0, len(chunk.pcm), step_bytes):
            pcm = chunk.pcm[start : start + step_bytes]
            await self._pace(duration_ms(len(pcm), rate_hz))
            self._send(pcm, rate_hz, piece, total_ms if chunk.ends_piece else None)
        if chunk.ends_piece:
            self._piece_pcm.clear()
            self._piece_timing = Timing(())
            self._finished_pieces = chunk.piece + 1
            self._piece_ms, self._told_char = 0.0, 0
            self._end_char = max(self._end_char, piece.end)

    def _time(self, chunk: AudioChunk, piece: Piece, rate_hz: int) -> None:
        """Find out where the words of a piece are: the vendor says it, or its whole audio shows it."""
        if not piece.is_written:
            return
        self._piece_pcm += chunk.pcm
        if chunk.timing:
            self._piece_timing = Timing((*self._piece_timing.marks, *chunk.timing))
        elif chunk.ends_piece and not self._piece_timing.marks:
            self._piece_timing = time_words(bytes(self._piece_pcm), rate_hz, piece.text)
            begins_ms = self._sent_ms - self._piece_ms
            self._corrections = tuple(
                (begins_ms + at_ms, piece.start + characters)
                for at_ms, characters in self._piece_timing.marks
                if at_ms <= self._piece_ms
            )

    def _characters(self, length: int, total_ms: float | None) -> int:
        """How many characters of the present piece are spoken with what went out."""
        if self._piece_timing.marks:
            is_over = total_ms is not None and self._piece_ms >= total_ms
            return length if is_over else min(self._piece_timing.characters(self._piece_ms), length)
        return min(round(self._piece_ms * CHARS_PER_MS), length)

    async def _pace(self, chunk_ms: float) -> None:
        most_ms = self._delivery.most_ahead_ms
        while most_ms is not None and (excess_ms := self._delivery.ahead_ms() + chunk_ms - most_ms) > 0:
            self._set_deadline(None)  # it is we who wait
            await asyncio.sleep(max(min(excess_ms, _PACING_STEP_MS), 1) / 1000)

    def _send(self, pcm: bytes, rate_hz: int, piece: Piece, total_ms: float | None) -> None:
        assert self._encoder is not None
        chunk_ms = duration_ms(len(pcm), rate_hz)
        self._piece_ms += chunk_ms
        self._sent_ms += chunk_ms
        self._unsent_ms += chunk_ms
        words = ""
        if piece.is_written:
            length = piece.end - piece.start
            characters = self._characters(length, total_ms)
            words, self._told_char = piece.words(self._told_char, characters)
            self._end_char = max(self._end_char, piece.start + characters)
        if data := self._encoder.push(pcm):
            self._produce(data, words)

    def _produce(self, data: bytes, words: str) -> None:
        chunk_ms, self._unsent_ms = self._unsent_ms, 0.0
        form = self._delivery.form
        self._emit(
            AudioProduced(
                self._generation,
                data,
                chunk_ms,
                self._end_char,
                words,
                form.encoding.value,
                form.rate_hz,
                self._corrections,
            )
        )
        self._corrections = ()
