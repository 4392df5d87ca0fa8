"""What a client can say."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import msgspec

from voice_server.audio.format import BYTES_PER_SAMPLE, STT_RATE_HZ
from voice_server.audio.wav import read_wav
from voice_server.client.link import Link
from voice_server.dialects.native import frames


class SessionFields(TypedDict, total=False):
    """What `connect` and `configure` can ask for; the inner fields are those of docs/protocol.md."""

    model: str
    stt_provider: str
    tts_provider: str
    tts_voice: str
    language_code: str
    system_prompt: str
    template: Mapping[str, Any]
    input_audio: Mapping[str, Any]
    output_audio: Mapping[str, Any]
    turn_detection: Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]


class Sender:
    """Every frame a client can send, as a method.

    Each raises `ConnectionLost` without a connection, and `ServerTimeout` when the server takes nothing for
    too long.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._stream_open = False
        self._stream_rate_hz: int | None = None  # None: as the session's `input_audio` says

    async def start_stream(
        self, format: str | None = None, sample_rate: int | None = None, channels: int | None = None
    ) -> None:
        """Open the input stream; None keeps what the session's `input_audio` says."""
        await self._send(
            frames.AudioStreamStartFrame(format=format, sample_rate=sample_rate, channels=channels)
        )
        self._stream_open, self._stream_rate_hz = True, sample_rate

    async def send_audio(self, data: bytes) -> None:
        """Send audio of the open stream, in its format; 20 to 100 ms at a time is right."""
        await self._link.send(data)

    async def commit(self) -> None:
        """Say that the utterance is over (`manual` turn detection)."""
        await self._send(frames.AudioCommitFrame())

    async def clear(self) -> None:
        """Forget what was heard since the last turn; in `manual` mode also cut a playing reply."""
        await self._send(frames.AudioClearFrame())

    async def end_stream(self) -> None:
        """Close the input stream; what was heard since the last turn is a turn."""
        self._stream_open = False
        await self._send(frames.AudioStreamEndFrame())

    async def stream_wav(
        self, audio: bytes, *, rate_hz: int = STT_RATE_HZ, realtime: bool = True, frame_ms: int = 20
    ) -> None:
        """Speak a recording into the input stream, opened if it is not open at the recording's rate.

        `audio` is a 16-bit WAV file, or PCM16 mono at `rate_hz`. In real time it takes as long as it lasts;
        otherwise as long as the server takes to accept it. The stream stays open.

        Raises:
            AudioError: a WAV of other samples.
        """
        if audio[:4] == b"RIFF":
            audio, rate_hz = read_wav(audio)
        if not self._stream_open or self._stream_rate_hz not in (None, rate_hz):
            await self.start_stream("pcm16", rate_hz, 1)
        frame_bytes = rate_hz * frame_ms // 1000 * BYTES_PER_SAMPLE
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number, begin in enumerate(range(0, len(audio), frame_bytes)):
            if realtime:
                # by the clock, not by the sum of sleeps: being late once must not shift the rest
                await asyncio.sleep(began_s + number * frame_ms / 1000 - loop.time())
            await self.send_audio(audio[begin : begin + frame_bytes])

    async def send_clip(
        self, data: bytes, *, format: str | None = None, sample_rate: int | None = None
    ) -> None:
        """Send one recorded utterance: a whole audio file, or raw samples with `format` and `sample_rate`."""
        encoded = base64.b64encode(data).decode("ascii")
        await self._send(frames.AudioFrame(audio_data=encoded, format=format, sample_rate=sample_rate))

    async def send_text(
        self,
        text: str,
        *,
        audio: bool = True,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        """Send a typed turn; without `audio` the reply is text alone."""
        await self._send(
            frames.MessageFrame(
                message=text,
                model=model,
                options=frames.MessageOptions(temperature=temperature, max_tokens=max_tokens),
                modalities=["text", "audio"] if audio else ["text"],
            )
        )

    # ── Around a turn ────────────────────────────────────────────────────────────────────────────

    async def stop(self) -> None:
        """Stop the reply now."""
        await self._send(frames.StopFrame())

    async def configure(self, **session: Unpack[SessionFields]) -> None:
        """Change the session from its next turn on; the server answers with a `configured` frame.

        Raises:
            msgspec.ValidationError: a field is not what the protocol allows.
        """
        await self._send(msgspec.convert({"type": "configure", **session}, frames.ConfigureFrame))

    async def playback(self, turn_id: str, played_ms: float, *, paused: bool = False) -> None:
        """Report how much of a reply the listener has heard, and whether playback stands still for now."""
        frame = frames.PlaybackFrame(turn_id=turn_id, played_ms=played_ms, paused=paused or None)
        await self._send(frame)

    async def tool_result(self, call_id: str, output: str, *, is_error: bool = False) -> None:
        """Answer a `tool_call`."""
        await self._send(frames.ToolResultFrame(call_id=call_id, output=output, is_error=is_error))

    async def ping(self, timestamp: float | str | None = None) -> None:
        """Ask for a `pong` frame with this timestamp."""
        await self._send(frames.PingFrame(timestamp=timestamp))

    async def _send(self, frame: frames.ClientFrame) -> None:
        await self._link.send(encode(frame))


def encode(frame: frames.ClientFrame) -> str:
    """Write a frame; what was not set is not written."""
    return msgspec.json.encode(frame).decode()
