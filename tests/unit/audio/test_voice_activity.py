import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.audio.sound import babble, noise, pieces, tone
from voice_server.audio.clip import decode_clip
from voice_server.audio.voice_activity import (
    WINDOW_SAMPLES,
    EdgeKind,
    SileroVad,
    VadSettings,
    VadState,
    VoiceDetector,
    VoiceEdge,
)
from voice_server.errors import AudioError, ModelFileError

pytestmark = pytest.mark.unit

STARTED, CONFIRMED, STOPPED = EdgeKind.STARTED, EdgeKind.CONFIRMED, EdgeKind.STOPPED
WINDOW = noise(WINDOW_SAMPLES / 16_000)
QUIET = bytes(2 * WINDOW_SAMPLES)


class Script:
    """Says what it was told to, and remembers what it was asked."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self._probabilities = iter(probabilities)
        self.states: list[VadState] = []

    def probabilities(
        self, windows: NDArray[np.float32], states: Sequence[VadState]
    ) -> tuple[NDArray[np.float32], list[VadState]]:
        assert windows.shape == (1, WINDOW_SAMPLES) and len(states) == 1
        self.states += states
        following = VadState(windows[0, -64:], np.ones((2, 128), np.float32))
        return np.array([next(self._probabilities)], np.float32), [following]


def edges_of(
    probabilities: Sequence[float], settings: VadSettings | None = None
) -> list[tuple[EdgeKind, float]]:
    detector = VoiceDetector(Script(probabilities), settings)
    return [(edge.kind, edge.at_ms) for edge in detector.push(WINDOW * len(probabilities))]


# ── The rules ────────────────────────────────────────────────────────────────────────────────────


def test_a_stretch_of_voice() -> None:
    assert edges_of([0.1, 0.1, *[0.9] * 10, *[0.1] * 5]) == [
        (STARTED, 64),
        (CONFIRMED, 64 + 7 * 32),
        (STOPPED, 64 + 10 * 32),
    ]


def test_one_window_is_not_yet_voice() -> None:
    assert edges_of([0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1]) == []
    assert edges_of([0.9, 0.9]) == [(STARTED, 0)]


def test_voice_goes_on_below_the_threshold_that_started_it() -> None:
    assert edges_of([0.4] * 10) == []
    assert edges_of([0.9, 0.4, 0.4, 0.4]) == [(STARTED, 0)]
    assert edges_of([0.9, 0.9, 0.4, 0.4, *[0.34] * 2]) == [(STARTED, 0)]


def test_it_ended_where_it_was_last_sure_or_shortly_before_it_was_last_heard() -> None:
    assert edges_of([0.9, 0.9, 0.4, *[0.34] * 3]) == [(STARTED, 0), (STOPPED, 64)]
    assert edges_of([0.9, 0.9, 0.4, 0.4, 0.4, *[0.34] * 3]) == [(STARTED, 0), (STOPPED, 96)]
    assert edges_of([0.9, 0.4, 0.9, 0.4, *[0.34] * 3]) == [(STARTED, 0), (STOPPED, 96)]


def test_a_pause_within_a_word_stops_nothing() -> None:
    assert edges_of([0.9, 0.9, 0.1, 0.1, 0.4, 0.1, 0.1, 0.9, 0.1, 0.1]) == [(STARTED, 0)]


def test_only_voiced_time_confirms_and_each_stretch_for_itself() -> None:
    four_in_pieces = [0.9, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.1]
    assert edges_of(four_in_pieces) == [(STARTED, 0)]
    assert edges_of([*four_in_pieces, 0.1, *four_in_pieces]) == [
        (STARTED, 0),
        (STOPPED, 192),
        (STARTED, 9 * 32),
    ]
    assert edges_of([*four_in_pieces, 0.9, 0.9, 0.9]) == [(STARTED, 0), (CONFIRMED, 11 * 32)]


def test_settings() -> None:
    settings = VadSettings(threshold=0.8, hysteresis=0.3, start_ms=32, confirm_ms=96, stop_ms=32)
    assert edges_of([0.7, 0.85, 0.55, 0.55, 0.45], settings) == [
        (STARTED, 32),
        (CONFIRMED, 128),
        (STOPPED, 128),
    ]


@given(
    probabilities=st.lists(st.sampled_from([0.1, 0.4, 0.9]), max_size=60),
    cuts=st.lists(st.integers(1, 3_000), max_size=60),
)
def test_how_the_stream_is_cut_does_not_move_the_edges(probabilities: list[float], cuts: list[int]) -> None:
    pcm = WINDOW * len(probabilities)
    detector = VoiceDetector(Script(probabilities))
    edges: list[VoiceEdge] = []
    position = 0
    for cut in [*cuts, len(pcm)]:
        edges += detector.push(pcm[position : position + 2 * cut])
        position += 2 * cut
        assert detector.position_ms == min(position, len(pcm)) / 32
    edges += detector.push(pcm[position:])
    assert [(edge.kind, edge.at_ms) for edge in edges] == edges_of(probabilities)


@given(st.lists(st.sampled_from([0.1, 0.4, 0.9]), max_size=80))
def test_edges_come_in_order(probabilities: list[float]) -> None:
    edges = edges_of(probabilities)
    kinds = "".join(kind.value[2] for kind, _ in edges)  # sTarted → a, coNfirmed → n, stOpped → o
    assert kinds.replace("ano", "").replace("ao", "") in ("", "a", "an")
    assert [at_ms for _, at_ms in edges] == sorted(at_ms for _, at_ms in edges)


# ── Silence that the model is not asked about ────────────────────────────────────────────────────

REST, PRELUDE = 10, 15  # windows


def test_in_silence_the_model_is_not_asked() -> None:
    script = Script([])
    detector = VoiceDetector(script)
    assert detector.push(QUIET * 100 + tone(1.024, 16_000, peak=40)) == []
    assert script.states == []
    assert detector.position_ms == 3200 + 1024


def test_while_there_is_voice_it_is_asked_about_silence_too() -> None:
    script = Script([*[0.9] * 3, 0.1, 0.4, *[0.1] * 30])
    edges = VoiceDetector(script).push(WINDOW * 3 + QUIET * 30)
    assert [(edge.kind, edge.at_ms) for edge in edges] == [(STARTED, 0), (STOPPED, 96)]
    assert len(script.states) == 5 + REST


def test_noise_keeps_it_awake() -> None:
    script = Script([0.1] * 50)
    VoiceDetector(script).push((WINDOW + QUIET * (REST - 1)) * 5)
    assert len(script.states) == 50


def test_a_voice_that_rose_out_of_silence_began_there() -> None:
    quiet_first = Script([*[0.1] * (PRELUDE - 2), *[0.9] * 3])
    assert VoiceDetector(quiet_first).push(QUIET * 40 + WINDOW) == [VoiceEdge(STARTED, 38 * 32)]
    assert not quiet_first.states[0].memory.any()


def test_after_a_rest_it_begins_afresh() -> None:
    script = Script([0.1] * (1 + REST + PRELUDE + 2))
    VoiceDetector(script).push(WINDOW + QUIET * 60 + WINDOW * 2)
    is_fresh = [not state.memory.any() for state in script.states]
    assert is_fresh == [True, *[False] * REST, True, *[False] * (PRELUDE + 1)]


def test_a_rest_too_short_to_forget_anything_skips_nothing() -> None:
    script = Script([0.1] * (1 + REST + 5 + 1))
    VoiceDetector(script).push(WINDOW + QUIET * (REST + 5) + WINDOW)
    assert [bool(state.memory.any()) for state in script.states] == [False, *[True] * (REST + 6)]


@given(
    louds=st.lists(st.booleans(), max_size=120),
    probabilities=st.lists(st.sampled_from([0.1, 0.4, 0.9]), min_size=120, max_size=120),
    piece=st.integers(1, 3_000),
)
def test_positions_are_those_of_the_stream_however_it_rests(
    louds: list[bool], probabilities: list[float], piece: int
) -> None:
    pcm = b"".join(WINDOW if is_loud else QUIET for is_loud in louds)
    detector, edges = VoiceDetector(Script(probabilities)), list[VoiceEdge]()
    for start in range(0, len(pcm), 2 * piece):
        edges += detector.push(pcm[start : start + 2 * piece])
        assert detector.position_ms == min(start + 2 * piece, len(pcm)) / 32
    assert edges == VoiceDetector(Script(probabilities)).push(pcm)
    assert [edge.at_ms for edge in edges] == sorted(edge.at_ms for edge in edges)


def test_half_a_sample_is_refused_and_the_stream_goes_on() -> None:
    detector = VoiceDetector(Script([0.9, 0.9]))
    with pytest.raises(AudioError) as caught:
        detector.push(WINDOW[:-1])
    assert caught.value.code == "odd_length"
    assert detector.push(WINDOW * 2) == [VoiceEdge(STARTED, 0)]


# ── The model itself ─────────────────────────────────────────────────────────────────────────────


def test_silero_hears_a_voice_between_silences(silero_path: Path) -> None:
    detector = VoiceDetector(SileroVad(silero_path))
    edges: list[VoiceEdge] = []
    for piece in pieces(bytes(32_000) + babble(2) + bytes(32_000), 640):
        edges += detector.push(piece)
    started, confirmed, stopped = edges
    assert (started.kind, confirmed.kind, stopped.kind) == (STARTED, CONFIRMED, STOPPED)
    assert started.at_ms == pytest.approx(1000, abs=150)
    assert stopped.at_ms == pytest.approx(3000, abs=150)


@pytest.mark.parametrize("gain_db", [0, -10, -20, -30])
@pytest.mark.parametrize("name", ["france", "pause"])
def test_resting_moves_no_edge_of_a_real_voice(silero_path: Path, name: str, gain_db: float) -> None:
    recorded = (Path(__file__).parents[2] / "data" / f"{name}.wav").read_bytes()
    voice = np.frombuffer(decode_clip(recorded, None, 60), "<i2") * 10 ** (gain_db / 20)
    pcm = bytes(64_000) + voice.astype("<i2").tobytes() + bytes(64_000)
    vad = SileroVad(silero_path)
    always = VoiceDetector(vad, VadSettings(gate_dbfs=-math.inf)).push(pcm)
    resting = VoiceDetector(vad).push(pcm)
    assert [edge.kind for edge in resting] == [edge.kind for edge in always] != []
    for edge, wanted in zip(resting, always, strict=True):
        assert abs(edge.at_ms - wanted.at_ms) <= 32


def test_silero_hears_no_voice_in_noise_and_tones(silero_path: Path) -> None:
    vad = SileroVad(silero_path)
    for sound in (noise(3), tone(3, 16_000)):
        assert VoiceDetector(vad).push(sound) == []


def test_a_batch_says_what_each_stream_would_alone(silero_path: Path) -> None:
    vad = SileroVad(silero_path)
    streams = [
        np.frombuffer(pcm[:32_768], "<i2").astype(np.float32).reshape(-1, WINDOW_SAMPLES) / 32768
        for pcm in (babble(1.1), noise(1.1), tone(1.1, 16_000))
    ]
    alone = []
    for stream in streams:
        states = [VadState()]
        for window in stream:
            probabilities, states = vad.probabilities(window[np.newaxis], states)
            alone.append(float(probabilities[0]))
    together = []
    states = [VadState() for _ in streams]
    for windows in zip(*streams, strict=True):
        probabilities, states = vad.probabilities(np.stack(windows), states)
        together.append(probabilities)
    assert np.stack(together, axis=1).ravel() == pytest.approx(alone, abs=1e-4)
    assert max(alone) > 0.5 > min(alone)


def test_a_missing_or_damaged_model_says_what_to_do(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    for path in (tmp_path / "missing.onnx", damaged):
        with pytest.raises(ModelFileError) as caught:
            SileroVad(path)
        assert "models pull" in caught.value.message
