"""`voice-server call`: one call with a recording for a voice."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.status import Status as Spinner
from rich.table import Table

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms, duration_ms
from voice_server.audio.wav import write_wav
from voice_server.cli.shared import (
    ConfigFile,
    ServerKey,
    ServerUrl,
    check_can_write,
    err,
    find_server,
    out,
    read_file,
    read_recording,
    run,
    wait_until_ready,
)
from voice_server.client import ServerTimeout, SessionFields, TurnResult, VoiceClient
from voice_server.client.frames import (
    AudioStreamStart,
    Error,
    PartialTranscript,
    ServerFrame,
    SpeechStarted,
    Transcription,
)
from voice_server.client.link import server_error
from voice_server.client.turn import TurnCollector
from voice_server.errors import AudioError
from voice_server.settings import load_settings

REPLY_RATE_HZ = 24_000
_FRAME_MS = 20
_UNDERSTOOD_WITHIN_S = 20  # after the recording: longer than the server waits for a transcript

_STAGES = (
    ("wait for the end of the turn", "endpoint_ms"),
    ("transcript", "stt_ms"),
    ("first token", "llm_first_token_ms"),
    ("first sound", "tts_first_audio_ms"),
    ("response (all of it)", "response_ms"),
)


class Mode(StrEnum):
    """When a turn ends."""

    VAD = "vad"
    SEMANTIC = "semantic"
    MANUAL = "manual"


def call(
    file: Annotated[Path, typer.Argument(help="What to say: a WAV, WebM, Ogg, MP3, M4A or FLAC file.")],
    url: ServerUrl = None,
    api_key: ServerKey = None,
    clip: Annotated[
        bool, typer.Option("--clip", help="Send the file in one piece, as a recorded message.")
    ] = False,
    reply_file: Annotated[
        Path | None, typer.Option("--out", help="Write the reply to this WAV file.", show_default=False)
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="When a turn ends; by default as the server is set.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="How many seconds the whole answer may take.", min=1)
    ] = 120.0,
    config: ConfigFile = None,
) -> None:
    """Call the server and say what is in FILE, in real time; print what was understood and answered.

    The exit code is 0 when the server answered.

    Examples:

        voice-server call question.wav --out reply.wav

        voice-server call question.wav --clip --json

        voice-server call question.wav --url wss://voice.example --api-key KEY
    """
    if reply_file is not None:
        check_can_write(reply_file)
    address, key = find_server(load_settings(config), url, api_key)
    # The rate of the file is not the server's trouble: only a clip goes as it is.
    sound = read_file(file) if clip else read_recording(file)
    turn = run(_call(address, key, _Call(str(file), sound, as_clip=clip), mode, timeout_s))
    if reply_file is not None and turn.audio:
        write_wav(reply_file, turn.audio, REPLY_RATE_HZ)
    if as_json:
        typer.echo(json.dumps(_as_json(turn, reply_file), ensure_ascii=False))
    else:
        _tell(turn, reply_file)
    if not is_answered(turn):
        raise typer.Exit(1)


def is_answered(turn: TurnResult) -> bool:
    """Whether the model's words came, and were spoken to the end."""
    return bool(turn.reply.strip()) and not turn.errors


async def _call(
    url: str, api_key: str | None, call: "_Call", mode: Mode | None, timeout_s: float
) -> TurnResult:
    session: SessionFields = {
        "output_audio": {"format": "pcm16", "sample_rate": REPLY_RATE_HZ, "transport": "binary"}
    }
    if mode is not None:
        session["turn_detection"] = {"mode": mode.value}
    with err.status(f"Calling {url} …") as spinner:
        async with VoiceClient.connect(url, api_key=api_key, **session) as client:
            await wait_until_ready(client, spinner)
            speaking = asyncio.create_task(call.speak(client))
            try:
                async with asyncio.timeout(call.length_s + timeout_s):
                    return await call.listen(client, spinner)
            except TimeoutError as error:
                raise ServerTimeout(f"The answer was not over within {timeout_s:g} s.") from error
            finally:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)  # what broke it, the listener met too


class _Call:
    """Says one recording, and listens for the turn that answers its end."""

    def __init__(self, name: str, sound: bytes, *, as_clip: bool) -> None:
        self._name = name
        self._sound = sound
        self._as_clip = as_clip
        self._is_said = False
        self._is_understood = False

    @property
    def length_s(self) -> float:
        """How long the recording takes to say."""
        return 0.0 if self._as_clip else duration_ms(len(self._sound), STT_RATE_HZ) / 1000

    async def speak(self, client: VoiceClient) -> None:
        """Send the recording; a live one in real time, with the quiet of an open microphone behind it."""
        if self._as_clip:
            await client.send_clip(self._sound)
            self._is_said = True
            return
        await client.stream_wav(self._sound, rate_hz=STT_RATE_HZ, frame_ms=_FRAME_MS)
        self._is_said = True
        if client.init_ack.config["turn_detection"]["mode"] == Mode.MANUAL:
            await client.commit()
            return
        quiet = bytes(bytes_of_ms(1000, STT_RATE_HZ))
        seconds = 0
        while self._is_understood or seconds < _UNDERSTOOD_WITHIN_S:
            await client.stream_wav(quiet, rate_hz=STT_RATE_HZ, frame_ms=_FRAME_MS)
            seconds += 1
        await client.end()  # nobody was heard: the listener finds the session over

    async def listen(self, client: VoiceClient, spinner: Spinner) -> TurnResult:
        """Collect turns until one answers the end of the recording.

        Raises:
            AudioError: nothing was understood.
            ServerError: the server refused the recording.
        """
        collector, clock = TurnCollector(), asyncio.get_running_loop()
        async for frame in client:
            _show_progress(spinner, frame)
            match frame:
                case SpeechStarted():
                    self._is_understood = False
                case Transcription():
                    self._is_understood = True
                case Error() if frame.turn_id is None or frame.code == "no_speech" and not self._as_clip:
                    raise server_error(frame)
                case _:
                    pass
            if not collector.belongs(frame) or (turn := collector.add(frame, clock.time())) is None:
                continue
            if self._is_said and turn.interrupted is None and (self._is_understood or turn.errors):
                return turn
            err.print(f"A pause ended a turn: {turn.transcript or ''}", markup=False)
            collector = TurnCollector()
        raise AudioError(
            f"The server understood no speech in {self._name}; "
            "`voice-server transcribe` tells whether there is any."
        )


def _show_progress(spinner: Spinner, frame: ServerFrame) -> None:
    match frame:
        case PartialTranscript() | Transcription():
            spinner.update(f"You: {escape(frame.text)}")
        case AudioStreamStart():
            spinner.update("Listening to the answer …")
        case _:
            pass


def _tell(turn: TurnResult, reply_file: Path | None) -> None:
    if turn.transcript is not None:
        out.print(turn.transcript, markup=False)
    if turn.reply:
        out.print(turn.reply, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    table.add_column("ms", justify="right")
    for title, field in _STAGES:
        value = getattr(turn.metrics, field)
        table.add_row(title, "-" if value is None else f"{value:.0f}")
    out.print(table)
    if reply_file is not None and turn.audio:
        err.print(f"The reply is in {reply_file}.", markup=False)
    for error in turn.errors:
        err.print(f"voice-server: {error.message}", markup=False)


def _as_json(turn: TurnResult, reply_file: Path | None) -> dict[str, Any]:
    metrics = {field: getattr(turn.metrics, field) for _, field in _STAGES}
    return {
        "answered": is_answered(turn),
        "transcript": turn.transcript,
        "reply": turn.reply,
        "audio_ms": duration_ms(len(turn.audio), REPLY_RATE_HZ),
        "audio_file": str(reply_file) if reply_file is not None and turn.audio else None,
        "metrics": {**metrics, "providers": turn.metrics.providers},
        "errors": [
            {"code": error.code, "message": error.message, "stage": error.stage} for error in turn.errors
        ],
    }
