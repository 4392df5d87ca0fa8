"""Makes the recordings of this folder again, as `manifest.json` says, and checks that each is understood.

It needs `espeak-ng` and the local models. A voice never says a thing twice alike, so the bytes will differ.
Run it from the checkout: `.venv/bin/python tests/data/make.py [FILE ...]`
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms, duration_ms
from voice_server.audio.wav import read_wav, write_wav
from voice_server.providers import registry
from voice_server.providers.base import FinalHeard, SpeechToText, SttHints, TextToSpeech
from voice_server.providers.local.normalise import speakable

HERE = Path(__file__).parent
FIGURES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PAUSE_MS = 700.0
QUIET_MS = 1_500.0
NOISE_DBFS = -60.0
PEAK = 0.6
AUDIBLE = 0.01
LEAD_MS, TAIL_MS = 150, 60  # a soft consonant before the first loud sample belongs to the word
WORDS_A_MINUTE = 150


async def main(wished: list[str]) -> int:
    stt, tts = registry.load("stt", "local", {}), registry.load("tts", "local", {})
    misheard = 0
    for recording in json.loads((HERE / "manifest.json").read_text("utf-8")):
        name, text = recording["file"], recording["text"]
        if wished and name not in wished:
            continue
        pcm = await make(recording, tts)
        write_wav(HERE / name, pcm, STT_RATE_HZ)
        heard = await transcript(pcm, stt)
        is_right = words(heard) == words(text)
        misheard += not is_right
        verdict, length_ms = "right" if is_right else "WRONG", duration_ms(len(pcm), STT_RATE_HZ)
        print(f"{verdict} {length_ms:5.0f} ms  {name}: {heard}")
    await tts.close()
    await stt.close()
    return 1 if misheard else 0


async def make(recording: dict[str, str], tts: TextToSpeech) -> bytes:
    """PCM16 mono at 16 kHz."""
    match recording["kind"]:
        case "silence":
            return bytes(bytes_of_ms(QUIET_MS, STT_RATE_HZ))
        case "noise":
            count = int(QUIET_MS * STT_RATE_HZ / 1000)
            noise = np.random.default_rng(0).normal(0, 10 ** (NOISE_DBFS / 20), count)
            return pcm_of(noise.astype(np.float32))
        case _:
            before = recording.get("pause_after", "")
            texts = filter(None, [before, recording["text"].removeprefix(before).strip()])
            parts = [spoken(*(await say(recording["voice"], text, tts))) for text in texts]
            return bytes(bytes_of_ms(PAUSE_MS, STT_RATE_HZ)).join(parts)


async def say(voice: str, text: str, tts: TextToSpeech) -> tuple[bytes, int]:
    """PCM16 mono and its rate in Hz."""
    engine, _, variant = voice.partition(" ")
    if engine == "piper":
        return await say_with_piper(text, tts), tts.capabilities.rate_hz
    command = ["espeak-ng", "-v", variant, "-s", str(WORDS_A_MINUTE), "--stdout", text]
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    return read_wav(said.stdout)


async def say_with_piper(text: str, tts: TextToSpeech) -> bytes:
    async def pieces() -> AsyncIterator[str]:
        yield text

    return b"".join([chunk.pcm async for chunk in tts.speak(pieces(), tts.capabilities.voices[0])])


def spoken(pcm: bytes, rate_hz: int) -> bytes:
    """At 16 kHz, at one loudness, with little silence around it."""
    samples = soxr.resample(np.frombuffer(pcm, "<i2").astype(np.float32), rate_hz, STT_RATE_HZ)
    samples = samples * PEAK / np.abs(samples).max()
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    lead, tail = (STT_RATE_HZ * ms // 1000 for ms in (LEAD_MS, TAIL_MS))
    return pcm_of(samples[max(0, loud[0] - lead) : loud[-1] + tail])


def pcm_of(samples: npt.NDArray[np.float32]) -> bytes:
    return bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


async def transcript(pcm: bytes, stt: SpeechToText) -> str:
    async with stt.open(SttHints("en")) as stream:
        stream.push(pcm)
        stream.flush(1)
        async for heard in stream:
            if isinstance(heard, FinalHeard):
                return heard.transcript.text
    raise AssertionError("a flush is answered")


def words(text: str) -> list[str]:
    """Numbers written alike, nothing but words."""
    figures = re.findall(r"[a-z']+|\d", speakable(text).lower())
    return [FIGURES[int(word)] if word.isdigit() else word for word in figures]


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
