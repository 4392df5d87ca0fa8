import io
import time
from functools import cache

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audio.sound import encode, loudest_hz, opus_packets, pieces, rms, samples_of, tone
from voice_server.audio.format import InputEncoding, InputFormat
from voice_server.audio.incoming import InputDecoder, open_decoder
from voice_server.errors import AudioError

pytestmark = pytest.mark.unit

WEBM, OGG = InputFormat(InputEncoding.WEBM), InputFormat(InputEncoding.OGG)


def decode(form: InputFormat, data: list[bytes]) -> bytes:
    decoder = open_decoder(form)
    return b"".join([decoder.push(piece) for piece in data]) + decoder.finish()


def problem_of(decoder: InputDecoder, data: bytes) -> AudioError:
    with pytest.raises(AudioError) as caught:
        decoder.push(data)
    return caught.value


def assert_is_tone(pcm: bytes, seconds: float) -> None:
    assert len(pcm) / 32_000 == pytest.approx(seconds, abs=0.03)
    assert loudest_hz(pcm, 16_000) == pytest.approx(440, abs=2)
    assert rms(pcm) == pytest.approx(10_000 / 2**0.5, rel=0.1)


# ── What we take ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", InputEncoding)
@pytest.mark.parametrize("rate_hz", [0, -16_000, 7_999, 48_001])
def test_impossible_rates_are_refused(encoding: InputEncoding, rate_hz: int) -> None:
    with pytest.raises(AudioError) as caught:
        open_decoder(InputFormat(encoding, rate_hz))
    assert caught.value.code == "bad_format"


@pytest.mark.parametrize("channels", [0, -1, 3])
def test_impossible_channels_are_refused(channels: int) -> None:
    with pytest.raises(AudioError) as caught:
        open_decoder(InputFormat(channels=channels))
    assert caught.value.code == "bad_format"


# ── Samples ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_pcm16_of_any_rate(rate_hz: int) -> None:
    assert_is_tone(decode(InputFormat(rate_hz=rate_hz), pieces(tone(1, rate_hz), 640)), 1)


def test_stereo_is_mixed_down() -> None:
    stereo = np.array([[1000, 3000], [-10, 10], [-32768, -32768]], "<i2").tobytes()
    assert samples_of(decode(InputFormat(channels=2), [stereo])).tolist() == [2000, 0, -32768]


@pytest.mark.parametrize(
    ("form", "codec"),
    [(InputFormat(InputEncoding.MULAW), "pcm_mulaw"), (InputFormat(InputEncoding.ALAW), "pcm_alaw")],
)
def test_g711_is_what_ffmpeg_says_it_is(form: InputFormat, codec: str) -> None:
    every_code = bytes(range(256))
    raw_format = codec.removeprefix("pcm_")
    with av.open(io.BytesIO(every_code), "r", format=raw_format) as oracle:
        theirs = [
            sample for frame in oracle.decode(audio=0) for sample in frame.to_ndarray().ravel().tolist()
        ]
    assert samples_of(decode(form, [every_code])).tolist() == theirs


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (InputFormat(), bytes(4), bytes(3)),
        (InputFormat(channels=2), bytes(4), bytes(2)),
        (InputFormat(InputEncoding.MULAW, channels=2), b"\xff\xff", b"\xff"),
    ],
)
def test_a_part_of_a_sample_is_refused_and_the_stream_goes_on(
    form: InputFormat, good: bytes, bad: bytes
) -> None:
    decoder = open_decoder(form)
    assert problem_of(decoder, bad).code == "odd_length"
    assert set(decoder.push(good)) == {0}


# ── Opus packets ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("channels", [1, 2])
def test_raw_opus_packets(channels: int) -> None:
    packets = opus_packets(tone(1, 48_000), 48_000, channels)
    assert_is_tone(decode(InputFormat(InputEncoding.OPUS, 48_000, channels), packets), 1)


def test_an_opus_stream_survives_a_packet_that_is_none() -> None:
    decoder = open_decoder(InputFormat(InputEncoding.OPUS))
    first, *rest = opus_packets(tone(1, 48_000), 48_000)
    decoder.push(first)
    assert "Opus packet" in problem_of(decoder, b"\xff\xff\xff\xff").message
    assert decoder.push(b"") == b""
    assert_is_tone(b"".join([decoder.push(packet) for packet in rest]), 1)


# ── A recorder's streams ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("piece_bytes", [1, 333, 10**6])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("form", [WEBM, OGG])
def test_containers_in_pieces_of_any_size(
    form: InputFormat, live: bool, channels: int, piece_bytes: int
) -> None:
    data = encode(tone(1, 48_000), 48_000, form.encoding.value, "libopus", channels, live)
    assert_is_tone(decode(form, pieces(data, piece_bytes)), 1)


def test_the_pre_skip_is_cut_off() -> None:
    pulse = bytes(2 * 24_000) + tone(0.02, 48_000) + bytes(2 * 24_000)
    for form in (WEBM, OGG):
        pcm = decode(form, [encode(pulse, 48_000, form.encoding.value, "libopus")])
        loud = np.flatnonzero(np.abs(samples_of(pcm)) > 2_000)
        assert loud[0] / 16_000 == pytest.approx(0.5, abs=0.003)


def test_sound_comes_while_the_stream_goes_on() -> None:
    data = encode(tone(2, 48_000), 48_000, "webm", "libopus", live=True)
    decoder = open_decoder(WEBM)
    first_half = b"".join([decoder.push(piece) for piece in pieces(data[: len(data) // 2], 100)])
    assert len(first_half) / 32_000 == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("form", [WEBM, OGG])
def test_a_recorder_may_start_anew_in_the_same_stream(form: InputFormat) -> None:
    recording = encode(tone(0.5, 48_000), 48_000, form.encoding.value, "libopus", live=True)
    assert_is_tone(decode(form, pieces(recording * 2, 700)), 1)


@pytest.mark.parametrize("form", [WEBM, OGG])
def test_garbage_is_an_error_and_a_good_stream_behind_it_is_heard(form: InputFormat) -> None:
    decoder = open_decoder(form)
    garbage = np.random.default_rng(3).integers(0, 256, 5_000, np.uint8).tobytes()
    assert problem_of(decoder, garbage).code == "bad_audio"
    good = encode(tone(1, 48_000), 48_000, form.encoding.value, "libopus", live=True)
    assert_is_tone(decoder.push(good) + decoder.finish(), 1)


@pytest.mark.parametrize("form", [WEBM, OGG])
def test_a_damaged_stretch_costs_that_stretch(form: InputFormat) -> None:
    data = bytearray(encode(tone(4, 48_000), 48_000, form.encoding.value, "libopus", live=True))
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    pcm = decode(form, [bytes(data)])
    assert 2.5 < len(pcm) / 32_000 < 4.1


@pytest.mark.parametrize("form", [WEBM, OGG])
def test_a_stream_without_its_header_says_what_to_do(form: InputFormat) -> None:
    data = encode(tone(4, 48_000), 48_000, form.encoding.value, "libopus", live=True)
    mark = b"\x1f\x43\xb6\x75" if form is WEBM else b"OggS"
    late = data[data.index(mark, len(data) // 4) :]
    assert "first byte" in problem_of(open_decoder(form), late).message


def test_other_codecs_are_named() -> None:
    webm = encode(tone(1, 48_000), 48_000, "matroska", "pcm_s16le", live=True)
    decoder = open_decoder(WEBM)
    assert "A_PCM/INT/LIT, not Opus" in problem_of(decoder, webm[:5000]).message
    assert "A_PCM/INT/LIT, not Opus" in problem_of(decoder, webm[5000:]).message
    ogg = encode(tone(1, 48_000), 48_000, "ogg", "flac")
    assert "not Opus" in problem_of(open_decoder(OGG), ogg).message


def test_surround_sound_is_refused() -> None:
    data = bytearray(encode(tone(0.1, 48_000), 48_000, "webm", "libopus", live=True))
    head = data.index(b"OpusHead")
    data[head + 9] = 6
    assert "6 channels" in problem_of(open_decoder(WEBM), bytes(data)).message


def test_ffmpeg_agrees_about_the_whole_stream() -> None:
    data = encode(tone(1, 48_000), 48_000, "ogg", "libopus")
    with av.open(io.BytesIO(data), "r") as source:
        frames = [frame.to_ndarray().ravel() for frame in source.decode(audio=0)]
    theirs = np.concatenate(frames)[::3].astype(np.float64) * 32768
    ours = samples_of(decode(OGG, [data]))[: theirs.size].astype(np.float64)
    assert float(np.abs(ours - theirs)[400:-400].max()) < 400


@given(
    form=st.sampled_from([InputFormat(InputEncoding.OPUS), WEBM, OGG]),
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=30),
    piece_bytes=st.integers(1, 3_000),
)
def test_no_damage_brings_more_than_an_audio_error(
    form: InputFormat, changes: list[tuple[int, int]], piece_bytes: int
) -> None:
    data = bytearray(_recording("ogg" if form is OGG else "webm"))
    for place, value in changes:
        data[place % 600 if place % 2 else place % len(data)] = value
    decoder = open_decoder(form)
    for piece in pieces(bytes(data), piece_bytes):
        try:
            assert len(decoder.push(piece)) % 2 == 0
        except AudioError as problem:
            assert problem.code == "bad_audio"
    decoder.finish()


def test_garbage_that_looks_like_many_beginnings_costs_no_more_than_its_length() -> None:
    def work_s(kibibytes: int) -> float:
        began_s = time.thread_time()
        problem_of(open_decoder(WEBM), b"\x1a\x45\xdf\xa3" * (256 * kibibytes))
        return time.thread_time() - began_s

    assert work_s(128) < 24 * work_s(16)  # eight times as much; in its square it would be 64 times


@cache
def _recording(container: str) -> bytes:
    return encode(tone(0.5, 48_000), 48_000, container, "libopus", live=True)
