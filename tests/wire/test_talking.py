"""Spoken and typed turns through real models over a real socket."""

import asyncio
import io
import json
import re
import wave

import httpx
import jiwer
import numpy as np
import pytest

from tests.wire import encoding
from tests.wire.conftest import Process
from tests.wire.rig import DATA, PATIENCE_S, frame_of, frames_until, wav
from voice_server.audio.format import STT_RATE_HZ
from voice_server.audio.wav import read_wav
from voice_server.client import TurnResult, VoiceClient
from voice_server.client.frames import (
    AudioChunk,
    AudioStreamEnd,
    AudioStreamStart,
    Error,
    Interrupted,
    MessageChunk,
    Metrics,
    Transcription,
)

TEXTS = {
    entry["file"].removesuffix(".wav"): entry["text"]
    for entry in json.loads((DATA / "manifest.json").read_text())
}
SHORT = "Answer in one short sentence."
STORY = "Once upon a time there was a small brown dog who lived beside a river. " * 6


def words(text: str) -> str:
    return re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("2", "two")).strip()


def assert_said(heard: str | None, name: str, *, most_wrong: float = 0.3) -> None:
    assert heard
    assert jiwer.wer(words(TEXTS[name]), words(heard)) <= most_wrong, heard


def pcm_of(name: str) -> bytes:
    pcm, rate_hz = read_wav(wav(name))
    assert rate_hz == STT_RATE_HZ
    return pcm


def assert_audible(turn: TurnResult) -> None:
    assert turn.format is not None and turn.sample_rate_hz is not None
    samples, _ = encoding.decoded(turn.audio, turn.format, turn.sample_rate_hz)
    assert np.sqrt(np.mean(np.square(samples))) > 0.01


@pytest.mark.parametrize(("mode", "name"), [("semantic", "france"), ("vad", "sky")])
async def test_a_spoken_question_is_answered_aloud(real_server: Process, mode: str, name: str) -> None:
    async with VoiceClient.connect(
        real_server.url, turn_detection={"mode": mode}, system_prompt=SHORT
    ) as client:
        await client.stream_wav(wav(name))
        turn = await client.turn()
    assert_said(turn.transcript, name)
    assert turn.reply
    assert turn.end_reason == "completed"
    assert turn.errors == ()
    assert_audible(turn)
    assert turn.metrics.response_ms is not None
    assert turn.metrics.providers["stt"] == "local"


async def test_push_to_talk(real_server: Process) -> None:
    """What was said before the button went down is no part of it; the button coming up ends it."""
    async with VoiceClient.connect(
        real_server.url, turn_detection={"mode": "manual"}, system_prompt=SHORT
    ) as client:
        await client.stream_wav(wav("moon"), realtime=False)
        await client.clear()
        await client.stream_wav(wav("france"), realtime=False)
        await client.commit()
        turn = await client.turn()
        assert_said(turn.transcript, "france")
        assert_audible(turn)
        await client.clear()
        await client.stream_wav(wav("week"), realtime=False)
        await client.commit()
        assert_said((await client.turn()).transcript, "week")


async def test_a_recorded_question(real_server: Process) -> None:
    async with VoiceClient.connect(real_server.url, system_prompt=SHORT) as client:
        await client.send_clip(wav("romeo"))
        turn = await client.turn()
    assert_said(turn.transcript, "romeo")
    assert_audible(turn)


async def test_what_is_heard_of_a_reply_is_its_text(real_server: Process) -> None:
    """The voice, understood by the server's own recogniser. The text is given: a model's may be nonsense."""
    text = "Good morning, everybody. The train to the airport leaves at half past nine."
    async with VoiceClient.connect(real_server.url, greeting=text) as client:
        turn = await client.turn()
        await client.send_clip(turn.audio)
        heard = await frame_of(client, Transcription)
        await client.stop()
    assert turn.reply == text
    assert jiwer.wer(words(turn.reply), words(heard.text)) <= 0.3, heard.text


async def test_a_typed_question_is_answered_aloud(real_server: Process) -> None:
    async with VoiceClient.connect(real_server.url, system_prompt=SHORT) as client:
        await client.send_text("Say good morning to the class.", max_tokens=30)
        turn = await client.turn()
    assert turn.reply
    assert turn.errors == ()
    assert_audible(turn)


@pytest.mark.parametrize("format", ["pcm16", "mulaw", "alaw", "opus", "webm", "ogg"])
async def test_each_input_format_is_understood(real_server: Process, format: str) -> None:
    pcm, rate_hz, channels = pcm_of("france"), STT_RATE_HZ, 1
    match format:
        case "pcm16":  # 48 kHz, two channels: what a sound card gives
            samples = np.frombuffer(pcm, "<i2")
            pcm = np.repeat(np.repeat(samples, 3), 2).astype("<i2").tobytes()
            rate_hz, channels = 48_000, 2
            frames = [pcm[begin : begin + 3_840] for begin in range(0, len(pcm), 3_840)]
        case "mulaw" | "alaw":
            coded = encoding.companded(pcm, f"pcm_{format}")
            rate_hz = 8_000
            frames = [coded[begin : begin + 160] for begin in range(0, len(coded), 160)]
        case "opus":
            frames = encoding.opus_packets(pcm, STT_RATE_HZ)
        case _:  # in pieces that fall where they like
            coded = encoding.container(pcm, STT_RATE_HZ, format)
            frames = [coded[begin : begin + 777] for begin in range(0, len(coded), 777)]
    async with VoiceClient.connect(
        real_server.url, turn_detection={"mode": "manual"}, system_prompt=SHORT
    ) as client:
        await client.start_stream(format, rate_hz, channels)
        for frame in frames:
            await client.send_audio(frame)
        await client.end_stream()
        heard = await frame_of(client, Transcription)
    assert_said(heard.text, "france")


async def test_a_pause_within_a_sentence_is_one_turn(real_server: Process) -> None:
    async with VoiceClient.connect(
        real_server.url, turn_detection={"mode": "semantic"}, system_prompt=SHORT
    ) as client:
        await client.stream_wav(wav("pause"))
        await client.stream_wav(bytes(2 * STT_RATE_HZ))
        turn = await client.turn()
        await client.end()
        later = [frame async for frame in client]
    assert_said(turn.transcript, "pause")
    assert not any(isinstance(frame, Transcription) for frame in later)


async def test_an_interruption_stops_the_reply_and_is_answered(real_server: Process) -> None:
    async with VoiceClient.connect(
        real_server.url,
        greeting=STORY,
        turn_detection={"mode": "vad", "silence_ms": 900},  # both sentences are one turn, however they sound
    ) as client:
        before = await frames_until(client, AudioStreamStart)
        started = before[-1]
        assert isinstance(started, AudioStreamStart)
        speaking = asyncio.create_task(client.stream_wav(wav("interruption")))
        until_cut = await frames_until(client, Interrupted)
        cut = until_cut[-1]
        assert isinstance(cut, Interrupted)
        after_cut = await frames_until(client, Transcription)
        await speaking
        assert cut.turn_id == started.turn_id
        assert cut.cause == "speech"
        end = next(f for f in after_cut if isinstance(f, AudioStreamEnd))
        assert (end.turn_id, end.reason) == (started.turn_id, "interrupted")
        assert not any(
            isinstance(frame, AudioChunk | MessageChunk) and frame.turn_id == started.turn_id
            for frame in after_cut
        )
        assert 0 < cut.heard_ms <= end.duration_ms
        assert " ".join(STORY.split()).startswith(" ".join(cut.heard_text.split()))
        transcript = after_cut[-1]
        assert isinstance(transcript, Transcription)
        assert transcript.turn_id != started.turn_id
        assert_said(transcript.text, "interruption", most_wrong=0.5)
        assert (await frame_of(client, Metrics, lambda one: one.turn_id == transcript.turn_id)).response_ms


@pytest.mark.parametrize("name", ["silence", "noise"])
async def test_a_caller_who_says_nothing_is_left_alone(real_server: Process, name: str) -> None:
    async with VoiceClient.connect(real_server.url) as client:
        await client.stream_wav(wav(name), realtime=False)
        await client.end_stream()
        await client.end()
        async with asyncio.timeout(PATIENCE_S):
            frames = [frame async for frame in client]
    assert not any(isinstance(frame, Transcription | Error | AudioChunk | Metrics) for frame in frames)


async def test_ten_callers_at_once_are_each_understood(real_server: Process) -> None:
    questions = ["france", "week", "romeo", "egg", "name", "airplanes", "moon", "sky", "ocean", "penguins"]

    async def ask(name: str) -> None:
        async with VoiceClient.connect(real_server.url, turn_detection={"mode": "vad"}) as client:
            await client.stream_wav(wav(name))
            heard = await frame_of(client, Transcription)
            assert_said(heard.text, name, most_wrong=0.5)
            await client.stop()

    await asyncio.gather(*(ask(name) for name in questions))


def test_the_real_server_is_healthy_after_all_this(rest: httpx.Client) -> None:
    health = rest.get("/api/health").json()
    assert health["ready"] is True
    assert set(health["stages"]) == {"stt", "llm", "tts"}


def test_the_recordings_are_what_they_say() -> None:
    for name in TEXTS:
        with wave.open(io.BytesIO(wav(name))) as recording:
            assert recording.getframerate() == STT_RATE_HZ
