import io
from dataclasses import dataclass

import av
import numpy as np
import pytest
import soundfile

from tests.unit.audio.sound import loudest_hz, noise, pieces, rms, samples_of, tone
from voice_server.audio.format import OutputEncoding, OutputFormat
from voice_server.audio.outgoing import check_output_format, open_encoder
from voice_server.errors import AudioError

pytestmark = pytest.mark.unit

SOURCE_HZ = 22_050
SECONDS = 1.5137
FORMATS = [
    *(OutputFormat(OutputEncoding.WAV, rate_hz) for rate_hz in (8_000, 24_000, 48_000)),
    *(OutputFormat(OutputEncoding.PCM16, rate_hz) for rate_hz in (8_000, 22_050, 48_000)),
    *(OutputFormat(OutputEncoding.MP3, rate_hz) for rate_hz in (8_000, 16_000, 24_000, 44_100)),
    *(OutputFormat(OutputEncoding.OPUS, rate_hz) for rate_hz in (8_000, 12_000, 16_000, 24_000, 48_000)),
    OutputFormat(OutputEncoding.MULAW, 8_000),
]


def encode(wanted: OutputFormat, pcm: bytes, piece_bytes: int = 1764) -> list[bytes]:
    encoder = open_encoder(wanted, SOURCE_HZ)
    return [*(encoder.push(piece) for piece in pieces(pcm, piece_bytes)), encoder.finish()]


def play(wanted: OutputFormat, data: bytes) -> tuple[bytes, int]:
    """What FFmpeg, which knows the headerless encodings by declaration only, makes of it."""
    headerless = {OutputEncoding.PCM16: "s16le", OutputEncoding.MULAW: "mulaw"}.get(wanted.encoding)
    options = {"sample_rate": str(wanted.rate_hz), "ch_layout": "mono"} if headerless else {}
    pcm = bytearray()
    with av.open(io.BytesIO(data), "r", format=headerless, options=options) as source:
        stream = source.streams.audio[0]
        resampler = av.AudioResampler("s16", "mono", stream.sample_rate)
        for frame in [*source.decode(stream), None]:
            for plain in resampler.resample(frame):
                pcm += bytes(plain.planes[0])[: plain.samples * 2]
        return bytes(pcm), stream.sample_rate


@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_joined_pushes_are_one_file_of_the_right_length_and_sound(wanted: OutputFormat) -> None:
    pcm, rate_hz = play(wanted, b"".join(encode(wanted, tone(SECONDS, SOURCE_HZ))))
    # MP3 has no place to say how much its encoder put before and behind.
    slack_s = 4 * 576 / wanted.rate_hz if wanted.encoding is OutputEncoding.MP3 else 0.001
    assert SECONDS - 0.001 <= len(pcm) / 2 / rate_hz <= SECONDS + slack_s
    middle = pcm[len(pcm) // 8 * 2 : len(pcm) // 8 * 6]
    assert loudest_hz(middle, rate_hz) == pytest.approx(440, abs=3)
    assert rms(middle) == pytest.approx(10_000 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_how_the_speech_is_cut_does_not_change_the_file(wanted: OutputFormat) -> None:
    pcm = noise(0.5, SOURCE_HZ)
    assert b"".join(encode(wanted, pcm, 2)) == b"".join(encode(wanted, pcm, len(pcm)))


@pytest.mark.parametrize("encoding", [OutputEncoding.WAV, OutputEncoding.MP3, OutputEncoding.OPUS])
def test_another_reader_can_play_it_too(encoding: OutputEncoding) -> None:
    data = b"".join(encode(OutputFormat(encoding, 24_000), tone(SECONDS, SOURCE_HZ)))
    sound, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    assert len(sound) / rate_hz == pytest.approx(SECONDS, abs=0.1)
    assert loudest_hz(sound.tobytes(), rate_hz) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_nothing_pushed_is_no_file(wanted: OutputFormat) -> None:
    encoder = open_encoder(wanted, SOURCE_HZ)
    assert encoder.push(b"") + encoder.finish() == b""


@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_a_single_sample_is_a_file(wanted: OutputFormat) -> None:
    encoder = open_encoder(wanted, wanted.rate_hz)
    data = encoder.push(b"\x00\x10") + encoder.finish()
    pcm, _ = play(wanted, data)
    assert pcm


def test_a_wav_begins_with_44_bytes_of_header_in_the_first_push() -> None:
    encoder = open_encoder(OutputFormat(OutputEncoding.WAV, 24_000), 24_000)
    pcm = tone(0.1, 24_000)
    first = encoder.push(pcm)
    assert first[:4] == b"RIFF" and first[44:] == pcm
    assert first[4:8] == first[40:44] == b"\xff\xff\xff\xff"
    assert encoder.push(pcm) == pcm


def test_mulaw_gives_the_nearest_code() -> None:
    every_sample = np.arange(-32768, 32768)
    wanted = OutputFormat(OutputEncoding.MULAW, 8_000)
    data = open_encoder(wanted, 8_000).push(every_sample.astype("<i2").tobytes())
    heard = samples_of(play(wanted, data)[0]).astype(np.int32)
    clipped = np.clip(every_sample, -32635, 32635)
    # Half a step: the steps are an eighth of the 132-biased magnitude's octave, in 16 parts.
    assert (32 * np.abs(heard - clipped) <= np.abs(clipped) + 132).all()
    assert len(set(data)) == 256, "every code is used, minus zero for the smallest negatives"


@dataclass(frozen=True)
class Page:
    flags: int
    granule: int
    sequence: int
    segments: bytes


def pages_of(data: bytes) -> list[Page]:
    found = []
    while data:
        assert data[:5] == b"OggS\x00"
        lacing = data[27 : 27 + data[26]]
        found.append(
            Page(data[5], int.from_bytes(data[6:14], "little"), int.from_bytes(data[18:22], "little"), lacing)
        )
        data = data[27 + len(lacing) + sum(lacing) :]
    return found


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
def test_an_ogg_page_is_one_packet_of_20_ms(rate_hz: int) -> None:
    wanted = OutputFormat(OutputEncoding.OPUS, rate_hz)
    head, tags, *audio, last = pages_of(b"".join(encode(wanted, tone(SECONDS, SOURCE_HZ))))
    assert (head.flags, head.granule, tags.flags, tags.granule) == (2, 0, 0, 0)
    assert [page.granule for page in audio] == [960 * number for number in range(1, len(audio) + 1)]
    assert {page.flags for page in audio} == {0} and last.flags == 4
    assert all(sum(length < 255 for length in page.segments) == 1 for page in [*audio, last])
    assert audio[-1].granule < last.granule <= audio[-1].granule + 960
    assert [page.sequence for page in [head, tags, *audio, last]] == list(range(len(audio) + 3))


def test_every_push_of_20_ms_gives_whole_pages_at_once() -> None:
    encoder = open_encoder(OutputFormat(OutputEncoding.OPUS, 24_000), 24_000)
    counts = [len(pages_of(encoder.push(piece))) for piece in pieces(tone(0.2, 24_000), 960)]
    assert counts == [3] + [1] * 9


@pytest.mark.parametrize(
    ("encoding", "rate_hz"),
    [
        (OutputEncoding.WAV, 7_999),
        (OutputEncoding.PCM16, 48_001),
        (OutputEncoding.PCM16, 0),
        (OutputEncoding.MP3, 20_000),
        (OutputEncoding.OPUS, 22_050),
        (OutputEncoding.MULAW, 16_000),
    ],
)
def test_rates_an_encoding_does_not_have(encoding: OutputEncoding, rate_hz: int) -> None:
    for refuse in (check_output_format, lambda wanted: open_encoder(wanted, 24_000)):
        with pytest.raises(AudioError) as caught:
            refuse(OutputFormat(encoding, rate_hz))
        assert caught.value.code == "bad_format"
        assert str(rate_hz) in caught.value.message
