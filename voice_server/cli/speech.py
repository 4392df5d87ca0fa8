"""`voice-server transcribe` and `voice-server say`: the local models, without a server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from voice_server.audio.wav import write_wav
from voice_server.cli.shared import ConfigFile, check_can_write, err, out, read_recording, run
from voice_server.errors import AudioError
from voice_server.providers import registry
from voice_server.providers.base import FinalHeard, SttHints, Transcript
from voice_server.providers.local.weights import WeightStore
from voice_server.settings import Settings, load_settings


def transcribe(
    file: Annotated[Path, typer.Argument(help="A WAV, WebM, Ogg, MP3, M4A or FLAC file.")],
    config: ConfigFile = None,
) -> None:
    """Write down what is said in FILE, on this machine; no server is needed.

    Example:

        voice-server transcribe question.wav
    """
    settings = load_settings(config)
    transcript = run(_transcribe(read_recording(file), settings))
    if not transcript.text:
        raise AudioError(f"No speech was found in {file}.")
    out.print(transcript.text, markup=False)


def say(
    text: Annotated[str, typer.Argument(help="What to say.")],
    file: Annotated[Path, typer.Option("--out", help="The WAV file to write.")] = Path("speech.wav"),
    config: ConfigFile = None,
) -> None:
    """Speak TEXT into a WAV file, on this machine; no server is needed.

    Example:

        voice-server say "Dinner is ready." --out dinner.wav
    """
    check_can_write(file)
    pcm, rate_hz = run(_say(text, load_settings(config)))
    if not pcm:
        raise AudioError("There is nothing in the text that can be spoken; write some words.")
    write_wav(file, pcm, rate_hz)
    err.print(f"Written to {file}.", markup=False)


async def _transcribe(pcm: bytes, settings: Settings) -> Transcript:
    stt = registry.load("stt", "local", {"weights": WeightStore(settings.models_dir)})
    try:
        with err.status("Listening …"):
            await stt.warm()  # what is wrong with the model is said by it, not as a failure to recognise
            async with stt.open(SttHints(settings.language)) as stream:
                stream.push(pcm)
                stream.flush(1)
                async for heard in stream:
                    if isinstance(heard, FinalHeard):
                        return heard.transcript
    finally:
        await stt.close()
    raise AssertionError("a flush is answered, or the stream raises")


async def _say(text: str, settings: Settings) -> tuple[bytes, int]:
    async def pieces() -> AsyncIterator[str]:
        yield text

    tts = registry.load("tts", "local", {"weights": WeightStore(settings.models_dir)})
    voices = tts.capabilities.voices
    voice = next((one for one in voices if one.id == settings.tts_voice), voices[0])
    try:
        with err.status("Speaking …"):
            pcm = b"".join([chunk.pcm async for chunk in tts.speak(pieces(), voice)])
    finally:
        await tts.close()
    return pcm, tts.capabilities.rate_hz
