"""Where the words are in real speech: our estimate, against a recogniser that aligns every word."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from voice_server.audio.resample import resample_clip
from voice_server.audio.timing import time_words
from voice_server.core.phrases import words_of
from voice_server.core.playout import whole_words
from voice_server.providers.local.piper import PiperTextToSpeech
from voice_server.providers.local.weights import WeightStore
from voice_server.providers.local.whisper import WhisperTranscriber

pytestmark = pytest.mark.wire

SENTENCES = [
    "The old lighthouse stands on a rock, a mile away from the harbour.",
    "It was built by three brothers who had lost their boat in a storm.",
    "Water is heavier than oil, so oil floats, and that is why the two do not mix.",
    "Well, yes; but only if you are quick, careful, and a little bit lucky.",
    "Every evening the keeper walked up many narrow steps to light the lamp.",
    "I think that international communication is extraordinarily complicated.",
]
STEP_MS = 100
SLACK_MS = (-100, 100)  # so exact are the recogniser's own times


async def test_the_estimate_is_at_most_a_word_off() -> None:
    weights = WeightStore()
    tts, stt = PiperTextToSpeech(weights, 2, 1.0), WhisperTranscriber(weights, 2)
    await stt.warm()
    off: list[int] = []
    judged = 0
    for text in SENTENCES:
        pcm = await spoken(tts, text)
        timing = time_words(pcm, tts.capabilities.rate_hz, text)
        samples = np.frombuffer(resample_clip(pcm, tts.capabilities.rate_hz, 16_000), "<i2") / np.float32(
            32768
        )
        segments, _ = stt._model.transcribe(samples, language="en", word_timestamps=True)
        ends_ms = [word.end * 1000 for segment in segments for word in segment.words]
        if len(ends_ms) != len(text.split()):
            continue  # the recogniser itself is wrong about the words
        judged += 1
        for at_ms in range(0, int(ends_ms[-1]), STEP_MS):
            ours = len(words_of(whole_words(text, timing.characters(at_ms))))
            fewest, most = (sum(end_ms <= at_ms + slack_ms for end_ms in ends_ms) for slack_ms in SLACK_MS)
            off.append(max(fewest - ours, ours - most, 0))
    await tts.close()
    await stt.close()
    assert judged >= 4 and sum(one <= 1 for one in off) >= 0.99 * len(off), (judged, off)


async def spoken(tts: PiperTextToSpeech, text: str) -> bytes:
    async def pieces() -> AsyncIterator[str]:
        yield text

    return b"".join([chunk.pcm async for chunk in tts.speak(pieces(), tts.capabilities.voices[0])])
