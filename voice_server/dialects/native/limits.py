"""How large a client's message may be."""

from dataclasses import dataclass

from voice_server.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Sizes of whole messages, in bytes of UTF-8 for text."""

    control_bytes: int = 64 * 1024
    chunk_bytes: int = 256 * 1024
    clip_bytes: int = 16 * 1024 * 1024

    def of_type(self, frame_type: str) -> int:
        """The limit of a text frame of this type."""
        match frame_type:
            case "audio":
                return self.clip_bytes
            case "audio_chunk":
                return self.chunk_bytes
            case _:
                return self.control_bytes


def too_large(what: str, size_bytes: int, limit_bytes: int) -> ProtocolError:
    """The error for a message over its limit."""
    return ProtocolError(
        f"{what} has {size_bytes} bytes, but at most {limit_bytes} are taken. "
        "Send live audio in chunks of 20 to 100 ms, and a recording in an `audio` frame.",
        code="too_large",
    )
