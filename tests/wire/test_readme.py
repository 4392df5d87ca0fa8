"""The README's client in Python does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import soundfile

from tests.wire.conftest import Process

ROOT = Path(__file__).parents[2]


def test_the_client_in_python_is_answered_aloud(real_server: Process, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    code = code.replace("ws://localhost:6789/", real_server.url)
    code = code.replace("tests/data", str(ROOT / "tests" / "data"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "transcription What is the capital of France?" in done.stdout
    assert "ai_response " in done.stdout
    with soundfile.SoundFile(tmp_path / "reply.wav") as reply:
        assert reply.samplerate == 24_000
    samples, rate_hz = soundfile.read(tmp_path / "reply.wav")
    assert len(samples) / rate_hz > 0.5
    assert abs(samples).max() > 0.05
