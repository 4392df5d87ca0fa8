import io
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.unit.audio.sound import tone
from voice_server.audio.wav import plain_wav, read_wav, wav_header, write_wav
from voice_server.errors import AudioError

pytestmark = pytest.mark.unit


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pcm = tone(0.5, 22_050)
    write_wav(tmp_path / "tone.wav", pcm, 22_050)
    assert read_wav(tmp_path / "tone.wav") == (pcm, 22_050)
    with wave.open(str(tmp_path / "tone.wav")) as reader:
        assert reader.getparams()[:4] == (1, 2, 22_050, 11_025)


def test_a_streams_header_has_44_bytes_and_says_that_the_length_is_unknown() -> None:
    header = wav_header(24_000)
    assert len(header) == 44
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"


def test_stereo_is_mixed_down() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(8_000)
        writer.writeframes(np.array([[100, 300], [-50, -150]], "<i2").tobytes())
    assert read_wav(file.getvalue()) == (np.array([200, -100], "<i2").tobytes(), 8_000)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"ID3 no wave at all", wav_header(8_000)[:30]])
def test_what_is_no_wav_is_an_audio_error(data: bytes) -> None:
    with pytest.raises(AudioError):
        read_wav(data)


def test_other_chunks_are_dropped_and_sizes_made_true() -> None:
    pcm = tone(0.1, 8_000)
    header = wav_header(8_000)
    tagged = header[:36] + b"LIST" + (6).to_bytes(4, "little") + b"INFOab" + header[36:] + pcm
    assert plain_wav(tagged) == wav_header(8_000, len(pcm)) + pcm


def test_a_header_without_sound_is_an_audio_error() -> None:
    with pytest.raises(AudioError):
        plain_wav(wav_header(8_000)[:36])
