import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audio.sound import encode, loudest_hz, rms, samples_of, tone
from voice_server.audio.clip import decode_clip
from voice_server.audio.format import InputEncoding, InputFormat
from voice_server.audio.wav import wav_header
from voice_server.errors import AudioError, LimitError, VoiceServerError

pytestmark = pytest.mark.unit

FILES = [
    ("wav", "pcm_s16le", 44_100),
    ("wav", "pcm_f32le", 48_000),
    ("wav", "pcm_mulaw", 8_000),
    ("webm", "libopus", 48_000),
    ("matroska", "pcm_s16le", 16_000),
    ("ogg", "libopus", 48_000),
    ("ogg", "flac", 44_100),
    ("mp3", "libmp3lame", 44_100),
    ("mp4", "aac", 44_100),
    ("flac", "flac", 24_000),
]


@cache
def file_of(container: str, codec: str, rate_hz: int, channels: int = 1) -> bytes:
    return encode(tone(1, rate_hz), rate_hz, container, codec, channels)


def problem_of(data: bytes, declared: InputFormat | None = None) -> VoiceServerError:
    with pytest.raises(VoiceServerError) as caught:
        decode_clip(data, declared, 60)
    return caught.value


# ── Files ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("container", "codec", "rate_hz"), FILES)
def test_files_are_known_by_their_content(container: str, codec: str, rate_hz: int, channels: int) -> None:
    pcm = decode_clip(file_of(container, codec, rate_hz, channels), None, 60)
    assert len(pcm) / 32_000 == pytest.approx(1, abs=0.06)
    assert loudest_hz(pcm, 16_000) == pytest.approx(440, abs=2)
    middle = pcm[8_000:24_000]
    assert rms(middle) == pytest.approx(10_000 / 2**0.5, rel=0.1)


@pytest.mark.parametrize(("container", "codec", "rate_hz"), FILES)
def test_what_a_client_declares_does_not_hide_a_file(container: str, codec: str, rate_hz: int) -> None:
    data = file_of(container, codec, rate_hz)
    assert decode_clip(data, InputFormat(), 60) == decode_clip(data, None, 60)


@pytest.mark.parametrize("size", [0, 1, 10**9, 0xFFFFFFFF])
def test_a_wav_whose_sizes_are_no_sizes(size: int) -> None:
    sizes = size.to_bytes(4, "little")
    pcm = tone(1, 16_000)
    header = wav_header(16_000)
    data_size = sizes if size != 1 else len(pcm).to_bytes(4, "little")
    assert decode_clip(header[:4] + sizes + header[8:40] + data_size + pcm, None, 60) == pcm


def test_an_mp3_may_begin_without_tags() -> None:
    data = file_of("mp3", "libmp3lame", 44_100)
    assert data[:3] == b"ID3"
    bare = data[data.index(b"\xff\xfb") :]
    assert len(decode_clip(bare, InputFormat(), 60)) / 32_000 == pytest.approx(1, abs=0.06)


# ── Raw samples ──────────────────────────────────────────────────────────────────────────────────


def test_raw_samples_are_taken_as_declared() -> None:
    assert decode_clip(tone(1, 16_000), InputFormat(), 60) == tone(1, 16_000)
    assert len(decode_clip(tone(1, 44_100), InputFormat(rate_hz=44_100), 60)) == 32_000
    for encoding in (InputEncoding.MULAW, InputEncoding.ALAW):
        assert len(decode_clip(bytes(8_000), InputFormat(encoding, 8_000), 60)) == 32_000


def test_raw_samples_that_begin_like_an_mp3_are_still_samples() -> None:
    pcm = np.array([-1025, 16016 - 2**15, *range(2_000)], "<i2").tobytes()
    assert pcm[:2] == b"\xff\xfb"
    assert decode_clip(pcm, InputFormat(), 60) == pcm


def test_raw_samples_must_be_whole_and_of_a_possible_rate() -> None:
    assert problem_of(bytes(3), InputFormat()).code == "odd_length"
    assert problem_of(bytes(4), InputFormat(rate_hz=0)).code == "bad_format"


@pytest.mark.parametrize(
    "declared",
    [None, *map(InputFormat, (InputEncoding.OPUS, InputEncoding.WEBM, InputEncoding.OGG))],
    ids=str,
)
def test_bytes_that_nobody_can_name(declared: InputFormat | None) -> None:
    problem = problem_of(b"certainly no sound", declared)
    assert problem.code == "bad_audio"
    assert "WAV, WebM, Ogg, MP3, M4A or FLAC" in problem.message


@pytest.mark.parametrize(
    "playlist",
    [b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", b"ffconcat version 1.0\nfile '/etc/hostname'\n"],
)
def test_a_playlist_is_never_opened(playlist: bytes) -> None:
    assert problem_of(playlist).code == "bad_audio"


# ── Damage and size ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("container", "codec", "rate_hz"), FILES)
def test_of_a_truncated_file_what_decodes_is_taken(container: str, codec: str, rate_hz: int) -> None:
    data = encode(tone(8, rate_hz), rate_hz, container, codec)
    half = data[: len(data) // 2]
    if container == "mp4":  # its index stands at the end
        assert problem_of(half).code == "bad_audio"
    else:
        assert 2 < len(decode_clip(half, None, 60)) / 32_000 < 6


@pytest.mark.parametrize(("container", "codec", "rate_hz"), FILES)
def test_a_header_alone_is_an_audio_error(container: str, codec: str, rate_hz: int) -> None:
    assert problem_of(file_of(container, codec, rate_hz)[:40]).code == "bad_audio"


@pytest.mark.parametrize(("container", "codec", "rate_hz"), FILES)
def test_decoding_stops_where_a_clip_is_too_long(container: str, codec: str, rate_hz: int) -> None:
    with pytest.raises(LimitError) as caught:
        decode_clip(file_of(container, codec, rate_hz), None, 0.5)
    assert caught.value.code == "clip_too_long"
    with pytest.raises(LimitError):
        decode_clip(tone(1, 16_000), InputFormat(), 0.5)


def test_a_long_clip_is_not_decoded_to_its_end() -> None:
    hour = encode(bytes(2 * 8_000 * 600), 8_000, "flac", "flac")
    tracemalloc.start()
    with pytest.raises(LimitError):
        decode_clip(hour, None, 5)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


def test_a_tag_that_claims_gigabytes_costs_nothing() -> None:
    pcm = tone(1, 16_000)
    header = wav_header(16_000)
    claim = b"LIST" + (2**31).to_bytes(4, "little") + b"INFOIART" + (2**31 - 64).to_bytes(4, "little")
    assert problem_of(header[:36] + claim + header[36:] + pcm).code == "bad_audio"


def test_a_rate_that_cannot_be_is_refused() -> None:
    for rate_hz in (0, 1, 2**32 // 2 - 1):
        assert problem_of(wav_header(rate_hz % 2**31) + bytes(4_000)).code == "bad_audio"


@given(
    file=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=40),
    kept=st.floats(0, 1),
)
def test_no_damage_brings_more_than_an_audio_error(
    file: tuple[str, str, int], changes: list[tuple[int, int]], kept: float
) -> None:
    data = bytearray(file_of(*file))
    for place, value in changes:
        # Headers and indices, at both ends, are where damage is interesting.
        data[place % 400 - 200 if place % 3 else place % len(data)] = value
    try:
        pcm = decode_clip(bytes(data[: round(kept * len(data))]), None, 60)
    except (AudioError, LimitError):
        return
    assert 0 < samples_of(pcm).size <= 60 * 16_000


def test_clips_decode_side_by_side_in_threads() -> None:
    files = [file_of(*file) for file in FILES] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: decode_clip(data, None, 60), files))
    assert together == [decode_clip(data, None, 60) for data in files]
