"""Typed ids that sort by the time they were made: a prefix, 48 bits of time, 80 bits of chance."""

import secrets
import time
from typing import NewType

SessionId = NewType("SessionId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
TurnId = NewType("TurnId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def _make(prefix: str) -> str:
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return f"{prefix}_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_session_id() -> SessionId:
    """`sess_…`."""
    return SessionId(_make("sess"))


def new_conversation_id() -> ConversationId:
    """`conv_…`."""
    return ConversationId(_make("conv"))


def new_message_id() -> MessageId:
    """`msg_…`."""
    return MessageId(_make("msg"))


def new_key_id() -> str:
    """`key_…`."""
    return _make("key")


def new_template_id() -> str:
    """`tmpl_…`."""
    return _make("tmpl")


def new_feedback_id() -> str:
    """`fb_…`."""
    return _make("fb")


def new_token() -> str:
    """An unguessable secret, 256 bits."""
    return secrets.token_urlsafe(32)
