"""`POST /api/transcribe`, and `/api/voice/…`: recordings to text, text to sound, and who can do it."""

import base64
import binascii
import re
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.exceptions import HTTPException
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from voice_server.audio.format import InputEncoding, InputFormat, duration_ms
from voice_server.audio.wav import wav_header
from voice_server.core.caller import Caller
from voice_server.errors import AudioError, ProtocolError
from voice_server.providers.base import SpeechToText, TextToSpeech
from voice_server.rest.context import RestContext
from voice_server.rest.fields import NO_NUL, Name
from voice_server.rest.identity import identifier
from voice_server.rest.presence import while_present
from voice_server.services.speech import Heard, Spoken

_LANGUAGE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"
_ENCODINGS = {
    "LINEAR16": InputEncoding.PCM16,
    "PCM16": InputEncoding.PCM16,
    "MULAW": InputEncoding.MULAW,
    "ALAW": InputEncoding.ALAW,
}

Language = Annotated[str, StringConstraints(max_length=35, pattern=_LANGUAGE)]


class Transcription(BaseModel):
    """What was said. `confidence` is 0 to 1, or null where the provider gives none; `duration` in seconds."""

    text: str
    detected_language: str | None
    confidence: float | None
    duration: float
    provider: str


class RecordingConfig(BaseModel):
    """What headerless audio is; a file tells by itself."""

    encoding: Annotated[str, StringConstraints(max_length=32)] = "LINEAR16"
    sample_rate: Annotated[int, Field(ge=1, le=384_000)] = 16_000
    channels: Annotated[int, Field(ge=1, le=8)] = 1
    language_code: Language | None = None


class RecognitionRequest(BaseModel):
    """`audio`: base64 of a whole file or of headerless samples; a `data:` URL will do."""

    audio: Annotated[str, Field(min_length=1)]
    config: RecordingConfig = RecordingConfig()
    model: Name | None = None


class SpeechRequest(BaseModel):
    """What to say and how. A voice or model that is not configured is replaced by the default one."""

    text: Annotated[str, StringConstraints(min_length=1, pattern=NO_NUL)]
    voice_id: Name = "default"
    language_code: Language | None = None
    model: Name | None = None


class SpokenText(BaseModel):
    """`audio`: base64 of a WAV file; `duration` in seconds."""

    audio: str
    format: Literal["wav"] = "wav"
    sample_rate: int
    duration: float
    voice_id: str
    provider: str


class ModelInfo(BaseModel):
    """A model one may name as `model`."""

    id: str
    name: str
    provider: str
    languages: list[str]


class ModelList(BaseModel):
    """The default one first."""

    models: list[ModelInfo]


class VoiceDetails(BaseModel):
    """A voice one may name as `voice_id`."""

    id: str
    name: str
    provider: str
    gender: str
    languages: list[str]


class VoiceList(BaseModel):
    """The voices there are."""

    voices: list[VoiceDetails]


def speech_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["speech"])
    speech = context.speech
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.post("/transcribe")
    async def transcribe(
        request: Request,
        caller: Identified,
        _form: Annotated[None, Depends(_must_be_form)],
        audio: Annotated[UploadFile, File()],
        provider: Annotated[str | None, Form(max_length=200)] = None,
        language_code: Annotated[str | None, Form(max_length=35)] = None,
    ) -> Transcription:
        """Write down what is said in a WAV, WebM, Ogg, MP3, M4A or FLAC file."""
        data = await audio.read()
        language = _language(language_code)
        heard = await while_present(
            request, speech.transcribe(caller, data, provider=provider or None, language=language)
        )
        return _transcription(heard)

    @router.post("/voice/stt")
    async def recognise(request: Request, caller: Identified, wish: RecognitionRequest) -> Transcription:
        """The same for a recording in base64."""
        config = wish.config
        encoding = _ENCODINGS.get(config.encoding.upper())
        declared = None if encoding is None else InputFormat(encoding, config.sample_rate, config.channels)
        work = speech.transcribe(
            caller,
            _decoded(wish.audio),
            declared,
            provider=speech.stt_of_model(wish.model),
            language=_language(config.language_code),
        )
        return _transcription(await while_present(request, work))

    @router.post("/voice/tts", response_model=SpokenText, responses=_SOUND)
    async def speak(request: Request, caller: Identified, wish: SpeechRequest) -> Any:
        """Speak a text: JSON with a WAV in base64, or, with `Accept: audio/wav`, the sound as it is made."""
        spoken = speech.speak(
            caller,
            wish.text,
            voice=None if wish.voice_id == "default" else wish.voice_id,
            language=_language(wish.language_code),
            model=wish.model,
        )
        if "audio/wav" in request.headers.get("accept", ""):
            return await while_present(request, _streamed(spoken))
        pcm = await while_present(request, _whole(spoken))
        return SpokenText(
            audio=base64.b64encode(wav_header(spoken.rate_hz, len(pcm)) + pcm).decode(),
            sample_rate=spoken.rate_hz,
            duration=round(duration_ms(len(pcm), spoken.rate_hz) / 1000, 3),
            voice_id=spoken.voice.id,
            provider=spoken.voice.provider,
        )

    @router.get("/voice/{kind}/models")
    async def list_models(kind: Literal["stt", "tts"], caller: Identified) -> ModelList:
        """Who can listen, or speak."""
        providers = speech.listeners if kind == "stt" else speech.speakers
        return ModelList(models=[_model(one) for one in providers])

    @router.get("/voice/voices")
    async def list_voices(caller: Identified, language_code: Language | None = None) -> VoiceList:
        """The voices there are, or those that speak a language."""
        primary = (language_code or "").replace("_", "-").partition("-")[0].lower()
        return VoiceList(
            voices=[
                VoiceDetails(
                    id=one.id,
                    name=one.name,
                    provider=one.provider,
                    gender=one.gender,
                    languages=list(one.languages),
                )
                for one in context.discovery.voices()
                if not primary or any(tag.partition("-")[0].lower() == primary for tag in one.languages)
            ]
        )

    return router


_SOUND: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}
}


def _must_be_form(request: Request) -> None:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(415, "The body must be 'multipart/form-data' with the recording as 'audio'.")


def _language(code: str | None) -> str | None:
    if not code:
        return None
    if re.match(_LANGUAGE, code) is None:
        raise ProtocolError(f"'{code}' is no language; write it like en-US.", code="bad_language")
    return code.replace("_", "-")


def _decoded(audio: str) -> bytes:
    if audio.startswith("data:"):
        _, _, audio = audio.partition(",")
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AudioError("audio is not base64.", code="bad_base64") from error


def _transcription(heard: Heard) -> Transcription:
    return Transcription(
        text=heard.text,
        detected_language=heard.language,
        confidence=None if heard.confidence is None else round(heard.confidence, 4),
        duration=round(heard.duration_ms / 1000, 3),
        provider=heard.provider,
    )


async def _whole(spoken: Spoken) -> bytes:
    async with aclosing(spoken):
        return b"".join([pcm async for pcm in spoken])


async def _streamed(spoken: Spoken) -> Response:
    """Begins with the first sound, so that a failure before it is still an error answer."""
    chunks = aiter(spoken)
    first = await anext(chunks, b"")

    async def body() -> Any:
        async with aclosing(spoken):
            yield wav_header(spoken.rate_hz) + first
            async for pcm in chunks:
                yield pcm

    return StreamingResponse(body(), media_type="audio/wav")


def _model(one: SpeechToText | TextToSpeech) -> ModelInfo:
    return ModelInfo(
        id=one.name, name=one.title, provider=one.name, languages=list(one.capabilities.languages)
    )
