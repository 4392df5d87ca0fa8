"""All sessions ask one model, and stay strangers to each other."""

import asyncio

import pytest

from tests.fakes.scripted import ScriptedVad
from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.audio.voice_activity import EdgeKind, VoiceDetector, VoiceEdge
from voice_server.fakes.spoken import speak
from voice_server.session.shared_vad import SharedVad

pytestmark = pytest.mark.session


async def test_a_session_that_breaks_is_nobody_elses_trouble() -> None:
    shared = SharedVad(ScriptedVad())
    heard: list[VoiceEdge] = []

    def break_down(edges: list[VoiceEdge]) -> None:
        raise KeyError("a bug")

    listeners = [(VoiceDetector(shared.model), break_down), (VoiceDetector(shared.model), heard.extend)]
    pcm, step_bytes = speak("Hello there"), bytes_of_ms(20, STT_RATE_HZ)
    for start in range(0, len(pcm), step_bytes):
        for detector, tell in listeners:
            detector.add(pcm[start : start + step_bytes])
            if detector.question is not None:
                shared.ask(detector, tell)
        await asyncio.sleep(0.02)
    assert [edge.kind for edge in heard] == [EdgeKind.STARTED, EdgeKind.CONFIRMED]
