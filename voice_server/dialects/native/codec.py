"""The native dialect: between the messages of `docs/protocol.md` and the core's inputs and outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from voice_server.core.wire import AudioIn, AudioOut, AudioStart, Configured, InitAck, Input, Output
from voice_server.dialects.base import DialectTraits
from voice_server.dialects.native.faults import explain, peek_type
from voice_server.dialects.native.frames import ClientFrame
from voice_server.dialects.native.inputs import to_input
from voice_server.dialects.native.limits import FrameLimits, too_large
from voice_server.dialects.native.outputs import to_text

_DECODER: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)


class NativeDialect:
    """One connection's codec.

    It remembers one thing: whether reply audio goes out as JSON or as binary messages. A change that
    `configured` announces holds from the next reply, so the chunks of one reply are all of one kind.
    """

    def __init__(self, limits: FrameLimits | None = None) -> None:
        self._limits = limits or FrameLimits()
        self._binary = False
        self._next_binary = False

    @property
    def traits(self) -> DialectTraits:
        return DialectTraits(name="native", paced=True, numbered=True)

    def decode(self, message: str | bytes) -> Sequence[Input]:
        """Read one message: always exactly one input.

        Raises:
            ProtocolError: with code `bad_json`, `unknown_type`, `missing_field`, `bad_field`, `bad_base64`,
                `bad_url` or `too_large`. The connection may go on.
        """
        if not isinstance(message, str):
            if len(message) > self._limits.chunk_bytes:
                raise too_large("A binary message", len(message), self._limits.chunk_bytes)
            return (AudioIn(message),)
        try:
            self._check_size(message)
            return (to_input(_DECODER.decode(message)),)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise explain(error, message) from error

    def encode(self, output: Output, seq: int) -> Sequence[str | bytes]:
        """Write one output as exactly one message."""
        match output:
            case AudioOut() if self._binary:
                return (output.data,)
            case AudioStart():
                self._binary = self._next_binary
            case InitAck(config=config):
                self._binary = self._next_binary = _wants_binary(config, self._next_binary)
            case Configured(config=config):
                self._next_binary = _wants_binary(config, self._next_binary)
            case _:
                pass
        return (to_text(output, seq),)

    def _check_size(self, message: str) -> None:
        size_bytes = len(message) if message.isascii() else len(message.encode())
        if size_bytes <= self._limits.control_bytes:
            return
        if size_bytes > self._limits.clip_bytes:
            raise too_large("This message", size_bytes, self._limits.clip_bytes)
        frame_type = peek_type(message)
        limit_bytes = self._limits.of_type(frame_type or "")
        if size_bytes > limit_bytes:
            what = "This `audio_chunk`" if frame_type == "audio_chunk" else "This control frame"
            raise too_large(what, size_bytes, limit_bytes)


def _wants_binary(config: Mapping[str, Any], otherwise: bool) -> bool:
    match config.get("output_audio"):
        case {"transport": str(transport)}:
            return transport == "binary"
        case _:
            return otherwise
