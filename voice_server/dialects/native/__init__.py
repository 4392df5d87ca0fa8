"""The native wire: what browser widgets, mobile apps and our own client speak (docs/protocol.md)."""

from voice_server.dialects.native.codec import NativeDialect
from voice_server.dialects.native.limits import FrameLimits

__all__ = ["FrameLimits", "NativeDialect"]
