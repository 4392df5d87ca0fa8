"""Transcription and speech over REST: every format, every refusal, the real models once."""

import asyncio
import base64
import io
import wave
from typing import Any

import httpx
import pytest

from tests.fakes.scripted import HANG, Listening, ScriptedStt, ScriptedTts, Speaking
from tests.unit.audio.sound import encode, tone
from tests.wire.rig import KEY, PATIENCE_S, clip, eventually, serving, wav
from voice_server.audio.format import STT_RATE_HZ
from voice_server.audio.g711 import encode_mulaw
from voice_server.errors import ProviderUnavailable
from voice_server.fakes.spoken import quiet, speak
from voice_server.services.speech import parts_of, pieces_of

FILES = [
    ("wav", "pcm_s16le", 44_100),
    ("wav", "pcm_f32le", 48_000),
    ("wav", "pcm_mulaw", 8_000),
    ("webm", "libopus", 48_000),
    ("ogg", "libopus", 48_000),
    ("mp3", "libmp3lame", 44_100),
    ("mp4", "aac", 44_100),
    ("flac", "flac", 24_000),
]
HEARD = {"text", "detected_language", "confidence", "duration", "provider"}


def upload(data: bytes, **fields: str) -> dict[str, Any]:
    return {"files": {"audio": ("recording", data, "application/octet-stream")}, "data": fields}


def in_base64(data: bytes, **more: Any) -> dict[str, Any]:
    return {"json": {"audio": base64.b64encode(data).decode(), **more}}


# ── Transcription ────────────────────────────────────────────────────────────────────────────────


def test_the_real_model_understands_and_says_how_sure_it_is(rest: httpx.Client) -> None:
    fields = {"provider": "openai", "language_code": "en"}  # the documentation's own example
    by_upload = rest.post("/api/transcribe", **upload(wav("france"), **fields), timeout=PATIENCE_S).json()
    assert set(by_upload) == HEARD
    assert "capital of france" in by_upload["text"].lower()
    assert by_upload["detected_language"] == "en"
    assert 0.3 < by_upload["confidence"] < 1
    config = {"encoding": "LINEAR16", "sample_rate": 16000, "channels": 1, "language_code": "en-US"}
    as_client = in_base64(wav("france"), config=config, model="whisper")
    by_base64 = rest.post("/api/voice/stt", **as_client, timeout=PATIENCE_S).json()
    assert by_base64["text"] == by_upload["text"]


def test_the_real_voice_says_what_can_be_understood(rest: httpx.Client) -> None:
    wish = {"text": "The weather is nice today.", "voice_id": "default", "model": "openai_tts"}
    spoken = rest.post("/api/voice/tts", json=wish, timeout=PATIENCE_S).json()
    data = base64.b64decode(spoken["audio"])
    with wave.open(io.BytesIO(data)) as reader:
        assert reader.getframerate() == spoken["sample_rate"]
        assert reader.getnframes() / reader.getframerate() == pytest.approx(spoken["duration"], abs=0.01)
    assert (spoken["format"], spoken["voice_id"], spoken["provider"]) == ("wav", "joe", "local")
    heard = rest.post("/api/transcribe", **upload(data), timeout=PATIENCE_S).json()
    assert "weather is nice today" in heard["text"].lower()


@pytest.mark.parametrize(("container", "codec", "rate_hz"), FILES)
async def test_every_kind_of_file_is_taken(container: str, codec: str, rate_hz: int) -> None:
    stt = ScriptedStt(usual=Listening(text="hello", confidence=0.5))
    data = encode(tone(1, rate_hz), rate_hz, container, codec)
    async with serving(stt=stt) as served, served.rest() as http:
        for answer in (
            await http.post("/api/transcribe", **upload(data)),
            await http.post("/api/voice/stt", **in_base64(data)),
            await http.post("/api/v1/transcribe", **upload(data)),
        ):
            assert answer.status_code == 200, answer.text
            heard = answer.json()
            assert (heard["text"], heard["detected_language"], heard["confidence"]) == ("hello", "en", 0.5)
            assert heard["duration"] == pytest.approx(1, abs=0.1)


async def test_samples_without_a_file_are_what_the_config_says() -> None:
    pcm = speak("hello there")
    async with serving() as served, served.rest() as http:
        raw = await http.post("/api/voice/stt", **in_base64(pcm, config={"encoding": "LINEAR16"}))
        assert (raw.json()["text"], raw.json()["confidence"]) == ("hello there", None)
        url = "data:audio/wav;base64," + base64.b64encode(clip(pcm)).decode()
        as_url = await http.post("/api/voice/stt", json={"audio": url})
        assert as_url.json()["text"] == "hello there"
        mulaw = in_base64(encode_mulaw(tone(1, 8_000)), config={"encoding": "MULAW", "sample_rate": 8000})
        assert (await http.post("/api/voice/stt", **mulaw)).json()["duration"] == pytest.approx(1, abs=0.01)
        unknown = await http.post("/api/voice/stt", **in_base64(pcm, config={"encoding": "SPEEX"}))
        assert (unknown.status_code, unknown.json()["code"]) == (400, "bad_audio")


async def test_a_long_recording_is_heard_in_parts_and_nothing_is_lost() -> None:
    words = [f"part {number}" for number in range(40)]
    pcm = b"".join(speak(word) + quiet(1500) for word in words)
    stt = ScriptedStt()
    async with serving(stt=stt) as served, served.rest() as http:
        heard = (await http.post("/api/transcribe", **upload(clip(pcm)))).json()
    assert heard["text"].replace(" ", "") == "".join(words).replace(" ", "")
    assert heard["duration"] == pytest.approx(len(pcm) / 2 / STT_RATE_HZ, abs=0.1)
    assert len(stt.hints) == len(parts_of(pcm)) > 2


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (upload(b""), 400, "bad_audio"),
        (upload(b"this is no sound at all"), 400, "bad_audio"),
        (upload(clip(b"")), 400, "bad_audio"),
        (upload(clip(speak("x"))[:40]), 400, "bad_audio"),
        (upload(clip(speak("x")), provider="whispr"), 400, "unknown_provider"),
        (upload(clip(speak("x")), language_code="x" * 50), 400, "invalid_request"),
        (upload(clip(speak("x")), language_code="%%"), 400, "bad_language"),
        ({"data": {"provider": "local"}}, 415, "unsupported_media_type"),
        ({"json": {"audio": "abc"}}, 415, "unsupported_media_type"),
        ({"files": {"sound": b"x"}}, 400, "invalid_request"),
        (upload(clip(quiet(11_000))), 413, "clip_too_long"),
        (upload(bytes(200_001)), 413, "too_large"),
    ],
)
async def test_what_cannot_be_transcribed_is_refused(
    request_: dict[str, Any], status: int, code: str
) -> None:
    limits = {"clip_s": 10, "rest_upload_bytes": 200_000}
    if code == "clip_too_long":
        limits["rest_upload_bytes"] = 1 << 20
    async with serving(limits=limits) as served, served.rest() as http:
        answer = await http.post("/api/transcribe", **request_)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"audio": ""}, 400, "invalid_request"),
        ({"audio": "no base64!"}, 400, "bad_base64"),
        ({"audio": "AAAA", "config": {"channels": 99}}, 400, "invalid_request"),
        ({"audio": "AAAA", "config": {"sample_rate": 1}}, 400, "bad_format"),
        ({"audio": "AAAA" * 50_000}, 413, "too_large"),
    ],
)
async def test_base64_that_cannot_be_transcribed_is_refused(
    body: dict[str, Any], status: int, code: str
) -> None:
    async with serving(limits={"rest_audio_bytes": 100_000}) as served, served.rest() as http:
        answer = await http.post("/api/voice/stt", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_provider_that_is_known_but_not_here_is_replaced_unless_strict() -> None:
    wish = upload(clip(speak("hello")), provider="google")
    async with serving() as served, served.rest() as http:
        heard = (await http.post("/api/transcribe", **wish)).json()
        assert (heard["text"], heard["provider"]) == ("hello", "scripted")
    async with serving(strict=True) as served, served.rest() as http:
        answer = await http.post("/api/transcribe", **wish)
        assert (answer.status_code, answer.json()["code"]) == (400, "not_configured")


async def test_a_provider_that_fails_is_told_and_may_be_asked_again() -> None:
    stt = ScriptedStt([Listening(fails=ProviderUnavailable("Away.", stage="stt"))])
    async with (
        serving(stt=stt, resilience={"retries": 0, "prerender": False}) as served,
        served.rest() as http,
    ):
        failed = await http.post("/api/transcribe", **upload(clip(speak("hello"))))
        assert (failed.status_code, failed.json()["code"]) == (503, "provider_unavailable")
        assert (await http.post("/api/transcribe", **upload(clip(speak("hello"))))).status_code == 200


async def test_who_leaves_is_not_transcribed_and_too_many_wait_no_longer() -> None:
    stt = ScriptedStt(usual=Listening(final_s=HANG))
    async with serving(stt=stt, limits={"speech_requests": 1}) as served, served.rest() as http:
        first = asyncio.create_task(http.post("/api/transcribe", **upload(clip(speak("hello")))))
        await eventually(lambda: stt.streams_open == 1)
        second = await http.post("/api/transcribe", **upload(clip(speak("hello"))))
        assert (second.status_code, second.headers["Retry-After"]) == (429, "5")
        first.cancel()
        await eventually(lambda: stt.streams_open == 0)


# ── Speech ───────────────────────────────────────────────────────────────────────────────────────


async def test_speech_streams_as_it_is_made() -> None:
    tts = ScriptedTts([Speaking(), Speaking(first_s=HANG)])
    wish = {"text": "First sentence. " + "Second one. " * 60}
    async with serving(tts=tts) as served, served.rest() as http:
        headers = {"Accept": "audio/wav"}
        async with http.stream("POST", "/api/voice/tts", json=wish, headers=headers) as answer:
            assert answer.headers["Content-Type"] == "audio/wav"
            data = b""
            async for block in answer.aiter_bytes():
                data += block
                if len(data) > 10_000:
                    break
        assert data.startswith(b"RIFF")
        await eventually(lambda: tts.replies_open == 0)


async def test_a_whole_text_is_spoken() -> None:
    tts = ScriptedTts()
    text = "One sentence here. " * 100
    async with serving(tts=tts) as served, served.rest() as http:
        spoken = (await http.post("/api/voice/tts", json={"text": text})).json()
    assert "".join(tts.spoken).replace(" ", "") == text.replace(" ", "")
    assert spoken["duration"] == pytest.approx(sum(len(piece) for piece in tts.spoken) * 0.05, rel=0.01)
    assert len(tts.spoken) > 3


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"text": ""}, 400, "invalid_request"),
        ({"text": "..."}, 400, "nothing_to_say"),
        ({"text": "x" * 101}, 413, "text_too_long"),
        ({"text": "hi", "language_code": "?"}, 400, "invalid_request"),
    ],
)
async def test_what_cannot_be_spoken_is_refused(body: dict[str, Any], status: int, code: str) -> None:
    async with serving(limits={"speech_chars": 100}) as served, served.rest() as http:
        for headers in ({}, {"Accept": "audio/wav"}):
            answer = await http.post("/api/voice/tts", json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize("headers", [{}, {"Accept": "audio/wav"}])
async def test_a_voice_that_fails_or_hangs_is_told(headers: dict[str, str]) -> None:
    tts = ScriptedTts([Speaking(fails=ProviderUnavailable("Away.", stage="tts")), Speaking(first_s=HANG)])
    patience: dict[str, Any] = {
        "deadlines": {"tts_first_audio_s": 0.2},
        "resilience": {"retries": 0, "prerender": False},
    }
    async with serving(tts=tts, **patience) as served, served.rest() as http:
        for code in ("provider_unavailable", "provider_timeout"):
            answer = await http.post("/api/voice/tts", json={"text": "hi"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, code)


async def test_who_can_do_it_is_listed_in_objects() -> None:
    async with serving() as served, served.rest() as http:
        for kind in ("stt", "tts"):
            listed = (await http.get(f"/api/voice/{kind}/models")).json()
            (model,) = listed["models"]
            assert set(model) == {"id", "name", "provider", "languages"}
            assert model["id"] == "scripted"
        (voice,) = (await http.get("/api/voice/voices")).json()["voices"]
        assert (voice["id"], voice["provider"], voice["languages"]) == ("tone", "scripted", ["en-US"])
        assert (await http.get("/api/voice/voices?language_code=en-GB")).json()["voices"]
        assert (await http.get("/api/voice/voices?language_code=de")).json()["voices"] == []
        assert (await http.get("/api/voice/xyz/models")).status_code in (400, 404)


async def test_a_key_is_needed_where_keys_are() -> None:
    async with serving(api_keys=[KEY]) as served, served.rest() as http:
        for method, path, body in (
            ("POST", "/api/transcribe", upload(clip(speak("x")))),
            ("POST", "/api/voice/stt", in_base64(clip(speak("x")))),
            ("POST", "/api/voice/tts", {"json": {"text": "hi"}}),
            ("GET", "/api/voice/stt/models", {}),
            ("GET", "/api/voice/voices", {}),
        ):
            assert (await http.request(method, path, **body)).status_code == 401
            answer = await http.request(method, path, **body, headers={"X-API-Key": KEY})
            assert answer.status_code == 200


def test_parts_and_pieces_lose_nothing() -> None:
    pcm = tone(100, STT_RATE_HZ)
    assert b"".join(parts_of(pcm)) == pcm
    assert all(len(part) % 2 == 0 and len(part) <= 25_000 * 32 for part in parts_of(pcm))
    text = "A sentence. " * 80 + "word " * 300 + "x" * 1000
    assert " ".join(pieces_of(text)).split() == text.split()
    assert all(len(piece) <= 400 or " " not in piece for piece in pieces_of(text))
