import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audio.sound import loudest_hz, pieces, samples_of, tone
from voice_server.audio.resample import Resampler, resample_clip
from voice_server.errors import AudioError

pytestmark = pytest.mark.unit

RATES = [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (22_050, 24_000), (16_000, 48_000)]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_live_stream_keeps_its_length_and_its_pitch(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    resampled = b"".join([resampler.push(piece) for piece in pieces(tone(1, from_hz), 1234)])
    assert len(resampled) >= (1 - 0.003) * to_hz * 2, "no more than 3 ms may be held back"
    resampled += resampler.flush()
    assert abs(len(resampled) // 2 - to_hz) <= 1
    assert loudest_hz(resampled, to_hz) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_clip_keeps_its_length_and_its_pitch(from_hz: int, to_hz: int) -> None:
    resampled = resample_clip(tone(1, from_hz), from_hz, to_hz)
    assert abs(len(resampled) // 2 - to_hz) <= 1
    assert loudest_hz(resampled, to_hz) == pytest.approx(440, abs=2)


@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=30))
def test_how_a_stream_is_cut_does_not_change_it(sizes: list[int]) -> None:
    pcm = tone(0.2, 48_000)
    cut, whole = Resampler(48_000, 16_000), Resampler(48_000, 16_000)
    position, out = 0, bytearray()
    for size in sizes:
        out += cut.push(pcm[position : position + 2 * size])
        position += 2 * size
    out += cut.push(pcm[position:]) + cut.flush()
    assert bytes(out) == whole.push(pcm) + whole.flush()


def test_equal_rates_change_nothing() -> None:
    pcm = tone(0.1, 16_000)
    resampler = Resampler(16_000, 16_000)
    assert resampler.push(pcm) + resampler.flush() == pcm
    assert resample_clip(pcm, 16_000, 16_000) == pcm


def test_half_a_sample_is_refused_and_the_stream_goes_on() -> None:
    pcm = tone(0.1, 8_000)
    clean, hurt = Resampler(8_000, 16_000), Resampler(8_000, 16_000)
    expected = clean.push(pcm) + clean.push(pcm) + clean.flush()
    first = hurt.push(pcm)
    with pytest.raises(AudioError) as caught:
        hurt.push(pcm[:-1])
    assert caught.value.code == "odd_length"
    assert first + hurt.push(pcm) + hurt.flush() == expected


def test_after_a_flush_a_new_stream_begins() -> None:
    resampler = Resampler(48_000, 16_000)
    once = resampler.push(tone(0.1, 48_000)) + resampler.flush()
    assert resampler.push(tone(0.1, 48_000)) + resampler.flush() == once
    assert samples_of(once).size == 1600
