"""A chain of voices: who falls silent is followed by another, at the word at which it broke off."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from itertools import count

from voice_server.audio.format import duration_ms
from voice_server.audio.resample import Resampler
from voice_server.audio.timing import CHARS_PER_MS, Timing
from voice_server.core.playout import whole_words
from voice_server.errors import ProviderError, ProviderTimeout, VoiceServerError
from voice_server.providers.base import AudioChunk, TextToSpeech, TtsCapabilities, Voice
from voice_server.providers.pieces import has_words
from voice_server.providers.resilient.begun import Begun
from voice_server.providers.resilient.chain import Candidate, Chain
from voice_server.providers.resilient.guard import Guard
from voice_server.providers.resilient.languages import voice_like
from voice_server.providers.resilient.phrases import Phrases
from voice_server.providers.resilient.pieces import Pieces, Reading, nothing
from voice_server.providers.resilient.policy import Policy, Role


class TextToSpeechChain(Chain[TextToSpeech]):
    """A `TextToSpeech`; its first voice's rate is everybody's.

    A voice that fails is followed by one of the same language, and gender where there is one. A piece of
    which nothing was passed on is spoken whole by it; one that was begun is spoken on from the first word
    that was not, as far as its word times tell, or the length of its sound. `Voice.languages` begins with the
    language that is spoken.
    """

    def __init__(
        self, role: Role, guards: list[Guard[TextToSpeech]], policy: Policy, phrases: Phrases
    ) -> None:
        super().__init__(role, guards, policy)
        self._phrases = phrases

    @property
    def capabilities(self) -> TtsCapabilities:
        return self.first.capabilities

    async def speak(self, text: AsyncIterator[str], voice: Voice) -> AsyncGenerator[AudioChunk, None]:
        """Speak the pieces of `text` as they come; what is known by heart needs no voice."""
        pieces = Pieces(text)
        so_far = _SoFar(self.capabilities.rate_hz)
        try:
            # No voice is taken before there is something to say: others may want it.
            while (piece := await pieces.wait(so_far.piece)) is not None:
                if (sound := self._phrases.sound_of(piece, voice)) is not None:
                    whole = AudioChunk(sound.at(so_far.rate_hz), so_far.piece, ends_piece=True)
                    so_far.add(whole, piece)
                    yield whole
                    continue
                try:
                    async with aclosing(self._speak_on(pieces, so_far, voice)) as chunks:
                        async for chunk in chunks:
                            so_far.add(chunk, pieces[chunk.piece] or "")
                            yield chunk
                except VoiceServerError:
                    missing = pieces[so_far.piece]
                    if missing is None or self._phrases.sound_of(missing, voice) is None:
                        raise
        finally:
            await pieces.close()

    async def _speak_on(
        self, pieces: Pieces, so_far: "_SoFar", voice: Voice
    ) -> AsyncGenerator[AudioChunk, None]:
        """From where speech has come to, up to the end or to what is known by heart."""
        failure: VoiceServerError | None = None
        for candidate in self.candidates(lambda tts: voice_like(voice, tts.capabilities.voices) is not None):
            for attempt in count():
                piece = so_far.piece
                rest = so_far.rest(pieces[piece] or "")
                if so_far.piece_ms and not has_words(rest):
                    yield AudioChunk(b"", piece, ends_piece=True)
                    piece, rest = so_far.piece, ""
                if pieces.is_over_at(piece):
                    return
                begun = (so_far.piece_ms, len(pieces[piece] or "") - len(rest)) if so_far.piece_ms else None
                began_s = asyncio.get_running_loop().time()
                try:
                    reading = Reading(
                        pieces, piece, rest, lambda text: self._phrases.sound_of(text, voice) is not None
                    )
                    async with aclosing(self._attempt(candidate, reading, so_far, voice)) as chunks:
                        async for chunk in chunks:
                            if begun is not None and chunk.piece == piece and (marks := chunk.timing):
                                marks = tuple((begun[0] + at, begun[1] + char) for at, char in marks)
                                chunk = replace(chunk, timing=(begun, *marks))
                            yield chunk
                    return
                except VoiceServerError as error:
                    failure = failure or error
                    self.failed(candidate.guard.provider, error)
                    allowed_s = candidate.deadlines.tts_first_audio_ms / 1000
                    left_s = began_s + allowed_s - asyncio.get_running_loop().time()
                    pause_s = self._policy.pause_s(error, attempt, left_s)
                if pause_s is None or so_far.piece_ms:
                    break
                await asyncio.sleep(pause_s)
        raise failure or self.unavailable()

    async def _attempt(
        self, candidate: Candidate[TextToSpeech], reading: Reading, so_far: "_SoFar", voice: Voice
    ) -> AsyncGenerator[AudioChunk, None]:
        """One voice reads until there is no more for it."""
        tts, deadlines = candidate.guard.provider, candidate.deadlines
        async with candidate.guard.call(candidate.wait_s) as leave:
            await candidate.warm(deadlines.tts_first_audio_ms)
            own = voice_like(voice, tts.capabilities.voices) or voice
            resampler = Resampler(tts.capabilities.rate_hz, so_far.rate_hz)
            allowed_ms = deadlines.tts_first_audio_ms
            async with aclosing(tts.speak(aiter(reading), own)) as chunks:
                while (chunk := await _next(chunks, reading, allowed_ms)) is not None:
                    allowed_ms = deadlines.tts_gap_ms
                    pcm = resampler.push(chunk.pcm)
                    if chunk.ends_piece:
                        pcm += resampler.flush()
                        reading.finished = chunk.piece + 1
                    if pcm:
                        leave.answered()
                    piece = reading.start + chunk.piece
                    yield AudioChunk(pcm, piece, chunk.ends_piece, tts.name, chunk.timing)
            if not (reading.is_over and reading.is_starved):
                raise ProviderError("The voice ended before the text did.", stage="tts")


class _SoFar:
    """How far a reply has been spoken, whoever spoke."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.piece = 0
        self.piece_ms = 0.0
        self._timing = Timing(())  # of the present piece, where its voice tells it
        self._pace = CHARS_PER_MS

    def add(self, chunk: AudioChunk, text: str) -> None:
        """This is passed on; `text` is its piece's."""
        self.piece_ms += duration_ms(len(chunk.pcm), self.rate_hz)
        self._timing = self._timing.then(chunk.timing)
        if chunk.ends_piece:
            if self.piece_ms:
                self._pace = len(text) / self.piece_ms
            self.piece, self.piece_ms, self._timing = chunk.piece + 1, 0.0, Timing(())

    def rest(self, text: str) -> str:
        """What of the present piece has not been spoken: whole words, the one that broke off among them."""
        spoken = int(self.piece_ms * self._pace)
        if self._timing.marks:
            spoken = self._timing.characters(self.piece_ms)
        return text[len(whole_words(text, spoken)) :].lstrip()


async def _next(
    chunks: AsyncGenerator[AudioChunk, None], reading: Reading, allowed_ms: float
) -> AudioChunk | None:
    """The next audio. Only while the voice has text to work on does the deadline run."""
    if (chunk := Begun(anext(chunks, None))).is_over:
        return await chunk
    allowed_s = allowed_ms / 1000
    try:
        async with asyncio.timeout(None if reading.is_starved else allowed_s) as patience:
            reading.begin_patience = lambda: _allow(patience, allowed_s)
            return await chunk
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise ProviderTimeout(f"The voice was silent for {allowed_s:g} s.", stage="tts") from error
    finally:
        reading.begin_patience = nothing


def _allow(patience: asyncio.Timeout, allowed_s: float) -> None:
    if patience.when() is None:
        patience.reschedule(asyncio.get_running_loop().time() + allowed_s)
