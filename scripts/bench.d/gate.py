"""What resting in silence changes: the edges of voice activity beside those of asking about every window.

The spoken recordings of tests/data, at four loudnesses, in four noises, a second of silence before and two
behind. An edge is the same if it lies within one window of the other's.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from voice_server.audio.clip import decode_clip
from voice_server.audio.format import STT_RATE_HZ
from voice_server.audio.voice_activity import (
    WINDOW_SAMPLES,
    SileroVad,
    VadSettings,
    VadState,
    VoiceDetector,
    VoiceEdge,
)
from voice_server.providers.local.weights import WeightStore

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
UNSPOKEN = ("noise", "silence")
GAINS_DB = (0, -10, -20, -30)
NOISES_DBFS = (None, -70, -55, -45)
WINDOW_MS = WINDOW_SAMPLES * 1000 / STT_RATE_HZ

console = Console(highlight=False)


class Counting:
    """The model, and how often it was asked."""

    def __init__(self, model: SileroVad) -> None:
        self._model = model
        self.asked = 0

    def probabilities(
        self, windows: NDArray[np.float32], states: Sequence[VadState]
    ) -> tuple[NDArray[np.float32], list[VadState]]:
        self.asked += 1
        return self._model.probabilities(windows, states)


def main() -> int:
    model = SileroVad(WeightStore().path("silero-vad"))
    table = Table("noise", "streams", "same", "moved", "broken", "windows asked about")
    for noise_dbfs in NOISES_DBFS:
        same = moved = broken = resting_asked = always_asked = 0
        for name, pcm in streams(noise_dbfs):
            wanted, asked = edges(model, pcm, VadSettings(gate_dbfs=-math.inf))
            always_asked += asked
            found, asked = edges(model, pcm, VadSettings())
            resting_asked += asked
            if [edge.kind for edge in found] != [edge.kind for edge in wanted]:
                broken += 1
                console.print(f"broken: {name}: {len(wanted)} edges became {len(found)}")
            elif (by_ms := most_moved_ms(found, wanted)) > WINDOW_MS:
                moved += 1
                console.print(f"moved: {name}: by {by_ms:g} ms")
            else:
                same += 1
        noise = "none" if noise_dbfs is None else f"{noise_dbfs} dBFS"
        share = f"{resting_asked / always_asked:.0%}"
        table.add_row(noise, *map(str, (same + moved + broken, same, moved, broken)), share)
    console.print(table)
    return 0


def streams(noise_dbfs: float | None) -> Iterator[tuple[str, bytes]]:
    """Each recording at each loudness, and what it is."""
    for path in sorted(DATA.glob("*.wav")):
        if path.stem in UNSPOKEN:
            continue
        voice = np.frombuffer(decode_clip(path.read_bytes(), None, 60), "<i2").astype(np.float32)
        voice = np.pad(voice, (STT_RATE_HZ, 2 * STT_RATE_HZ))
        for gain_db in GAINS_DB:
            sound = voice * 10 ** (gain_db / 20)
            if noise_dbfs is not None:
                sound += np.random.default_rng(7).normal(0, 32_768 * 10 ** (noise_dbfs / 20), sound.size)
            pcm = np.clip(np.round(sound), -32_768, 32_767).astype("<i2").tobytes()
            yield f"{path.stem} {gain_db:+g} dB, noise {noise_dbfs}", pcm


def edges(model: SileroVad, pcm: bytes, settings: VadSettings) -> tuple[list[VoiceEdge], int]:
    """Those of a stream, and how many windows the model was asked about."""
    counting = Counting(model)
    return VoiceDetector(counting, settings).push(pcm), counting.asked


def most_moved_ms(found: list[VoiceEdge], wanted: list[VoiceEdge]) -> float:
    """How far apart the edges lie at most."""
    return max((abs(one.at_ms - two.at_ms) for one, two in zip(found, wanted, strict=True)), default=0.0)


if __name__ == "__main__":
    sys.exit(main())
