"""Speaks one reply: text in pieces to the voice, audio in chunks to the caller, at the caller's pace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from voice_server.audio.echo import BandLevels
from voice_server.audio.format import OutputFormat, bytes_of_ms, duration_ms
from voice_server.audio.outgoing import OutputEncoder, open_encoder
from voice_server.audio.timing import CHARS_PER_MS, Timing, time_words
from voice_server.core.events import AudioProduced, Event, SpeechFailed, SpeechFinished
from voice_server.core.sentences import Sentence
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.providers.base import AudioChunk, TextToSpeech, Voice
from voice_server.providers.resilient.phrases import Phrases
from voice_server.session.clauses import ClauseSplitter, Piece
from voice_server.session.ears import Serve

log = structlog.get_logger()

CHUNK_MS = 100  # what goes out at a time, however small the pieces are in which the voice gives it
_GATHER_MS = 300  # only while the caller has so much still to play is sound kept until there is a chunk of it
_PACING_STEP_MS = 250  # the caller may be away: look again now and then; and send a few chunks at a time


@dataclass(frozen=True, slots=True)
class Delivery:
    """How audio leaves. `ahead_ms` tells how much of what was sent is still to be played; `may_echo`: a voice
    over it will be compared with it.
    """

    form: OutputFormat
    most_ahead_ms: float | None
    ahead_ms: Callable[[], float]
    may_echo: bool = False


class Mouth:
    """One reply's voice. Text may be fed before the voice is ready; it waits.

    Args:
        phrases: what can be said when the voice cannot be waited for, or fails.
    """

    def __init__(
        self,
        generation: int,
        tts: TextToSpeech,
        voice: Voice,
        delivery: Delivery,
        emit: Callable[[Event], None],
        serve: Serve,
        phrases: Phrases | None,
    ) -> None:
        self._generation = generation
        self._tts = tts
        self._voice = voice
        self._delivery = delivery
        self._emit = emit
        self._serve = serve
        self._phrases = phrases
        self._splitter = ClauseSplitter()
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()  # bounded by the length of a reply
        self._spoken: list[Piece] = []  # those the voice has taken, in order
        self._speaking = Piece("", 0, 0)  # the one it gave sound of last
        self._encoder: OutputEncoder | None = None
        self._gathered = bytearray()  # of the piece spoken last, what has not gone out
        self._piece_ms = 0.0  # of the present piece, what went out
        self._piece_pcm = bytearray()
        self._piece_timing = Timing(())  # empty while it can only be guessed
        self._corrections: tuple[tuple[float, int], ...] = ()
        self._sent_ms = 0.0  # of the reply, what went into the encoder
        self.levels: BandLevels | None = None  # of that, as an echo of it would have them
        self._told_char = 0  # of the present piece, up to where the words were told
        self._unsent_ms = 0.0  # encoded, but still within the encoder
        self._end_char = 0

    @property
    def is_fed(self) -> bool:
        """Whether it was given a piece to speak."""
        return bool(self._spoken) or not self._queue.empty()

    def feed(self, text: str, *, written: bool = True) -> bool:
        """More text; whether there is a piece to speak by it.

        `written=False`: words that are no part of the reply's text.
        """
        pieces = self._splitter.push(text) if written else self._splitter.own_words(text)
        for piece in pieces:
            self._queue.put_nowait(piece)
        return bool(pieces)

    def finish(self) -> bool:
        """No more text comes; whether there is a piece to speak by it."""
        pieces = self._splitter.finish()
        for piece in (*pieces, None):
            self._queue.put_nowait(piece)
        return bool(pieces)

    async def run(self) -> None:
        """Speak until everything is out or the voice has failed."""
        try:
            await self._tts.warm()
            await self._speak()
            self._emit(SpeechFinished(self._generation))
        except VoiceServerError as error:
            self._fail(error)
        except Exception as error:
            log.exception("text-to-speech broke", provider=self._tts.name)
            broken = ProviderError("Speech synthesis failed.", stage="tts")
            broken.__cause__ = error
            self._fail(broken)

    def say(self, sentence: Sentence) -> str:
        """Say at once what is known by heart, between what the voice says; gives the words it could say."""
        rate_hz = self._tts.capabilities.rate_hz
        if self._gathered:
            self._send(self._take(len(self._gathered)), rate_hz, self._speaking, None)
        words = sentence.in_language(self._voice.languages[0])
        sound = None
        if self._phrases is not None:
            sound = self._phrases.sound_of(words, self._voice) or self._phrases.sound_of(words)
        if sound is None:
            return ""
        pcm, step_bytes = sound.at(rate_hz), bytes_of_ms(CHUNK_MS, rate_hz)
        for start in range(0, len(pcm), step_bytes):
            self._push(pcm[start : start + step_bytes], rate_hz, "")
        return words

    def _fail(self, error: VoiceServerError) -> None:
        said = self.say(Sentence.NO_VOICE)
        if said and self._encoder is not None and (rest := self._encoder.finish()):
            self._produce(rest, "")
        self._emit(SpeechFailed(self._generation, error, said))

    async def _speak(self) -> None:
        rate_hz = self._tts.capabilities.rate_hz
        async with aclosing(self._tts.speak(self._texts(), self._voice)) as chunks:
            async for chunk in chunks:
                is_first = self._end_char == 0 and self._piece_ms == 0
                await self._send_chunk(chunk, rate_hz)
                if is_first:
                    await asyncio.sleep(0)  # it goes out before a voice that never waits goes on
        if self._encoder is not None and (rest := self._encoder.finish()):
            self._produce(rest, "")

    async def _texts(self) -> AsyncIterator[str]:
        while (piece := await self._queue.get()) is not None:
            self._spoken.append(piece)
            yield piece.text.strip()

    async def _send_chunk(self, chunk: AudioChunk, rate_hz: int) -> None:
        self._speaking = piece = self._spoken[chunk.piece]
        self._time(chunk, piece, rate_hz)
        if chunk.provider is not None:
            self._serve("tts", chunk.provider)
        self._gathered += chunk.pcm
        total_ms = self._piece_ms + duration_ms(len(self._gathered), rate_hz) if chunk.ends_piece else None
        step_bytes = bytes_of_ms(CHUNK_MS, rate_hz)
        while len(self._gathered) >= step_bytes or (self._gathered and self._is_wanted(chunk)):
            await self._pace(duration_ms(min(len(self._gathered), step_bytes), rate_hz))
            self._send(self._take(step_bytes), rate_hz, piece, total_ms)
        if chunk.ends_piece:
            self._piece_pcm.clear()
            self._piece_timing = Timing(())
            self._piece_ms, self._told_char = 0.0, 0
            self._end_char = max(self._end_char, piece.end)

    def _is_wanted(self, chunk: AudioChunk) -> bool:
        """Whether less than a whole chunk goes out too."""
        return chunk.ends_piece or self._delivery.ahead_ms() < _GATHER_MS

    def _take(self, most_bytes: int) -> bytes:
        pcm = bytes(self._gathered[:most_bytes])
        del self._gathered[:most_bytes]
        return pcm

    def _time(self, chunk: AudioChunk, piece: Piece, rate_hz: int) -> None:
        """Find out where the words of a piece are: the vendor says it, or its whole audio shows it."""
        if not piece.is_written:
            return
        self._piece_pcm += chunk.pcm
        indent = len(piece.text) - len(piece.text.lstrip())  # the voice was not given it
        learned = tuple((at_ms, indent + characters) for at_ms, characters in chunk.timing)
        if learned:
            self._piece_timing = self._piece_timing.then(learned)
        elif chunk.ends_piece and not self._piece_timing.marks:
            self._piece_timing = time_words(bytes(self._piece_pcm), rate_hz, piece.text)
            learned = self._piece_timing.marks
        begins_ms = self._sent_ms - self._piece_ms
        self._corrections += tuple(
            (begins_ms + at_ms, piece.start + characters)
            for at_ms, characters in learned
            if at_ms <= self._piece_ms  # what went out before it was known
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
            step_ms = min(_PACING_STEP_MS, most_ms / 4)
            await asyncio.sleep(max(min(excess_ms, _PACING_STEP_MS), step_ms, 1) / 1000)

    def _send(self, pcm: bytes, rate_hz: int, piece: Piece, total_ms: float | None) -> None:
        self._piece_ms += duration_ms(len(pcm), rate_hz)
        words = ""
        if piece.is_written:
            length = piece.end - piece.start
            characters = self._characters(length, total_ms)
            words, self._told_char = piece.words(self._told_char, characters)
            self._end_char = max(self._end_char, piece.start + characters)
        self._push(pcm, rate_hz, words)

    def _push(self, pcm: bytes, rate_hz: int, words: str) -> None:
        if self._encoder is None:
            self._encoder = open_encoder(self._delivery.form, rate_hz)
            if self._delivery.may_echo:
                self.levels = BandLevels(rate_hz)
        if self.levels is not None:
            self.levels.push(pcm)
        self._sent_ms += duration_ms(len(pcm), rate_hz)
        self._unsent_ms += duration_ms(len(pcm), rate_hz)
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
