"""Audio inside JSON: base64, as tolerant as it can be without guessing, and `data:` URLs."""

import binascii
import re
from urllib.parse import unquote

from voice_server.errors import ProtocolError

_WHITESPACE = b" \t\r\n\f\v"
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]{0,30}):")
_LONGEST_DATA_URL_HEAD = 512


def decode_base64(text: str, field: str) -> bytes:
    """Read base64: standard or URL-safe, with or without padding, broken into lines or not.

    Raises:
        ProtocolError: `bad_base64`.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        pass  # the common form failed; the tolerant one costs a copy
    try:
        cleaned = text.encode("ascii").translate(_URL_SAFE_TO_STANDARD, delete=_WHITESPACE).rstrip(b"=")
        return binascii.a2b_base64(cleaned + b"=" * (-len(cleaned) % 4), strict_mode=True)
    except ValueError as error:
        raise ProtocolError(
            f"Field `{field}` is not base64. Encode the bytes of the audio in A-Z a-z 0-9 + /.",
            code="bad_base64",
        ) from error


def decode_clip(text: str, field: str) -> bytes:
    """Read a recording: base64, or a `data:` URL that holds base64. Nothing is ever fetched.

    Raises:
        ProtocolError: `bad_base64` or `bad_url`.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return decode_base64(text, field)
    if scheme[1].lower() != "data":
        raise ProtocolError(
            f"Field `{field}` is a URL, and the server fetches nothing. "
            "Send the audio itself, as base64 or as a `data:` URL.",
            code="bad_url",
        )
    comma = text.find(",", 0, _LONGEST_DATA_URL_HEAD)
    head = text[scheme.end() : comma]
    if comma < 0 or head.rpartition(";")[2].strip().lower() != "base64":
        raise ProtocolError(
            f"Field `{field}` is a `data:` URL that cannot be read: "
            "it must look like `data:audio/webm;codecs=opus;base64,…`.",
            code="bad_url",
        )
    body = text[comma + 1 :]
    return decode_base64(unquote(body) if "%" in body else body, field)
