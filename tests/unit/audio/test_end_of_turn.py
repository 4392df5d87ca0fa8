from pathlib import Path

import numpy as np
import pytest

from tests.unit.audio.sound import babble, noise, tone
from voice_server.audio.end_of_turn import SmartTurn, log_mel_features

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("hz", "band"), [(440, 11), (1_000, 26), (3_000, 55), (6_400, 74)])
def test_a_tone_lights_its_band(hz: float, band: int) -> None:
    # Slaney's scale: 15 mels up to 1 kHz, then 27 to a factor of 6.4; 82 corners up to 8 kHz.
    features = log_mel_features(tone(8, 16_000, hz))
    assert features.shape == (80, 800) and features.dtype == np.float32
    assert abs(int(np.argmax(features[:, 400])) - band) <= 1


def test_features_are_as_loud_as_the_loudest_and_at_most_80_db_below() -> None:
    features = log_mel_features(noise(4) + bytes(4 * 32_000))
    assert float(features.max() - features.min()) == pytest.approx(2, abs=1e-6)


def test_how_loud_the_speech_is_does_not_matter() -> None:
    quiet, loud = (
        log_mel_features(tone(8, 16_000, peak=1_000)),
        log_mel_features(tone(8, 16_000, peak=20_000)),
    )
    assert np.abs(quiet - loud)[10:13].max() < 0.01


def test_a_short_utterance_stands_at_the_end() -> None:
    features = log_mel_features(tone(1, 16_000))
    loud = np.flatnonzero(features[11] > features[11].max() - 0.5)
    assert (loud[0], loud[-1]) == (pytest.approx(700, abs=2), 799)


def test_only_the_last_eight_seconds_are_heard(smart_turn_path: Path) -> None:
    turn = SmartTurn(smart_turn_path)
    speech = babble(4) + bytes(6_400)
    assert turn.probability(noise(8) + bytes(8 * 32_000 - len(speech)) + speech) == turn.probability(speech)


def test_probabilities_are_probabilities_and_tell_sounds_apart(smart_turn_path: Path) -> None:
    turn = SmartTurn(smart_turn_path)
    found = [
        turn.probability(pcm) for pcm in (b"", b"\x00", babble(2) + bytes(6_400), noise(3), tone(3, 16_000))
    ]
    assert all(0 <= probability <= 1 for probability in found)
    assert max(found) - min(found) > 0.3
