"""Text to speech over one WebSocket a reply: every piece of text is a context of its own.

A context says when its audio is complete, so it is known to the sample which piece has been spoken.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from itertools import count

from voice_server.providers.base import AudioChunk, Marks, Voice
from voice_server.providers.elevenlabs.alignment import Alignment
from voice_server.providers.elevenlabs.errors import GarbledError, ToldError, elevenlabs_error
from voice_server.providers.elevenlabs.options import ElevenLabsOptions
from voice_server.providers.elevenlabs.socket import Socket, open_socket
from voice_server.providers.pieces import speak_pieces

_INACTIVITY_S = 180  # the vendor's longest; a model may think for a while


async def speak_contexts(
    options: ElevenLabsOptions, model: str, rate_hz: int, text: AsyncIterator[str], voice: Voice
) -> AsyncGenerator[AudioChunk, None]:
    """Speak each piece of `text`, as `TextToSpeech.speak` promises. The socket is opened for the first."""
    async with AsyncExitStack() as stack:
        contexts = _Contexts(options, model, rate_hz, voice, stack)
        async with aclosing(speak_pieces(text, contexts.synthesise)) as chunks:
            async for chunk in chunks:
                yield chunk


class _Contexts:
    """The socket of one reply; one context at a time. `stack` closes the socket."""

    def __init__(
        self, options: ElevenLabsOptions, model: str, rate_hz: int, voice: Voice, stack: AsyncExitStack
    ) -> None:
        self._options = options
        self._path = f"/v1/text-to-speech/{voice.id}/multi-stream-input"
        self._query = {
            "model_id": model,
            "output_format": f"pcm_{rate_hz}",
            "inactivity_timeout": str(_INACTIVITY_S),
            "sync_alignment": "true",
        }
        self._rate_hz = rate_hz
        self._stack = stack
        self._socket: Socket | None = None
        self._numbers = count()

    async def synthesise(self, words: str) -> AsyncGenerator[bytes | Marks, None]:
        """PCM16 of one piece, any length, odd byte counts included, and where its words end."""
        try:
            if self._socket is None:
                opening = open_socket(self._options, self._path, self._query)
                self._socket = await self._stack.enter_async_context(opening)
            async with aclosing(self._context(self._socket, str(next(self._numbers)), words)) as sounds:
                async for sound in sounds:
                    yield sound
        except Exception as error:
            raise elevenlabs_error(error, "tts") from error

    async def _context(self, socket: Socket, name: str, words: str) -> AsyncGenerator[bytes | Marks, None]:
        await socket.send({"text": " ", "context_id": name})
        await socket.send({"text": f"{words} ", "context_id": name, "flush": True})
        await socket.send({"context_id": name, "close_context": True})
        alignment = Alignment(words, self._rate_hz)
        async for message in socket:
            if (kind := message.get("error") or message.get("code")) is not None:
                raise ToldError(str(kind))
            if message.get("contextId", name) != name:
                continue
            if audio := message.get("audio"):
                pcm = base64.b64decode(audio)
                if marks := alignment.marks(message.get("alignment") or {}, len(pcm)):
                    yield marks
                yield pcm
            if message.get("isFinal"):
                break
        else:
            raise EOFError("the socket was closed before the audio was complete")
        if not alignment.audio_ms:
            raise GarbledError("the answer is empty")
