"""The one piece of work that every measured server does, so that what is left is the server.

Of the standard library alone: other frameworks' servers import it where nothing of ours is installed.
"""

import argparse
import asyncio
import math
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

IN_RATE_HZ, OUT_RATE_HZ = 16_000, 24_000
FRAME_MS, CHUNK_MS, SENTENCE_MS = 20, 40, 1_000
FRAME_BYTES = IN_RATE_HZ * 2 * FRAME_MS // 1000
OUT_BYTES_PER_S = OUT_RATE_HZ * 2
QUESTION_WAV = Path(__file__).parent / "question.wav"
"""1.6 s of speech without a pause, its last voiced sound at its end."""

TRANSCRIPT = "What is the capital of France?"
SENTENCES = (
    "The capital of that country has been the same city for a very long time.",
    "It lies on both banks of a wide river with more than thirty bridges.",
    "People come from all over the world to walk there on a warm evening.",
)
TOKENS = tuple(word if at == 0 else f" {word}" for at, word in enumerate(" ".join(SENTENCES).split(" ")))
# A tone, never silent, so that nobody may skip it.
_SPEECH = array(
    "h", (int(6_000 * math.sin(math.tau * 250 * at / OUT_RATE_HZ)) for at in range(OUT_RATE_HZ))
).tobytes()
_CHUNK_BYTES = OUT_RATE_HZ * 2 * CHUNK_MS // 1000
CHUNKS = tuple(_SPEECH[at : at + _CHUNK_BYTES] for at in range(0, len(_SPEECH), _CHUNK_BYTES))
REPLY_BYTES = len(_SPEECH) * len(SENTENCES)
REPLY_S = SENTENCE_MS * len(SENTENCES) / 1000

# Voice activity: the same numbers for everybody.
VAD_THRESHOLD, VAD_START_S, VAD_STOP_S = 0.5, 0.2, 0.25


@dataclass(frozen=True, slots=True)
class Delays:
    """How long the providers take."""

    stt_s: float = 0.0
    llm_first_s: float = 0.0
    llm_token_s: float = 0.0
    tts_first_s: float = 0.0


NONE = Delays()
LIFELIKE = Delays(stt_s=0.1, llm_first_s=0.15, llm_token_s=0.01, tts_first_s=0.08)


@dataclass(frozen=True, slots=True)
class Work:
    """The providers' part of a turn."""

    delays: Delays = NONE

    @property
    def ideal_first_audio_ms(self) -> float:
        """From the end of speech to the first sound, were there nothing but the providers."""
        delays, words = self.delays, len(SENTENCES[0].split(" "))
        model_s = delays.llm_first_s + words * delays.llm_token_s
        return 1000 * (delays.stt_s + model_s + delays.tts_first_s)

    async def transcript(self) -> str:
        """What was said."""
        if self.delays.stt_s:
            await asyncio.sleep(self.delays.stt_s)
        return TRANSCRIPT

    async def tokens(self) -> AsyncIterator[str]:
        """The reply, word by word."""
        if self.delays.llm_first_s:
            await asyncio.sleep(self.delays.llm_first_s)
        for token in TOKENS:
            if self.delays.llm_token_s:
                await asyncio.sleep(self.delays.llm_token_s)
            yield token

    async def speech(self) -> AsyncIterator[bytes]:
        """The sound of one sentence."""
        if self.delays.tts_first_s:
            await asyncio.sleep(self.delays.tts_first_s)
        for chunk in CHUNKS:
            yield chunk


@dataclass(frozen=True, slots=True)
class Task:
    """What a measured server is started with. `offline`: the language model, where models are real."""

    port: int
    uses_vad: bool
    work: Work
    offline: str | None


def task() -> Task:
    """The task of this process, from its arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--vad", action="store_true")
    parser.add_argument("--delay", action="store_true")
    parser.add_argument("--offline", metavar="MODEL")
    options = parser.parse_args()
    return Task(options.port, options.vad, Work(LIFELIKE if options.delay else NONE), options.offline)
