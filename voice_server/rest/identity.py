"""Who makes a request: a Bearer token, `X-API-Key` or `?api_key=`; and for which of its users."""

from collections.abc import Callable

from fastapi import Request

from voice_server.core.caller import Caller
from voice_server.errors import ProtocolError
from voice_server.services.keys import KeyRing

_LONGEST_USER = 200


def bearer_token(request: Request) -> str | None:
    """The token of an `Authorization: Bearer …` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identifier(keys: KeyRing) -> Callable[[Request], Caller]:
    """A dependency that gives the caller, or answers 401."""

    def identify(request: Request) -> Caller:
        key = bearer_token(request) or request.headers.get("x-api-key") or request.query_params.get("api_key")
        return keys.identify(key)

    return identify


def named_user(request: Request, user_id: str | None) -> str | None:
    """The user that lists and searches are about: by name, else by `X-Session-ID`; None: all of the key's."""
    session_id = user_id or request.headers.get("x-session-id") or None
    if session_id is not None and len(session_id) > _LONGEST_USER:
        raise ProtocolError(
            f"X-Session-ID is longer than {_LONGEST_USER} characters.", code="invalid_request"
        )
    return session_id


def user_of(request: Request, caller: Caller, user_id: str | None) -> str:
    """The user that something new belongs to: by name, else by `X-Session-ID`, else the key's owner."""
    return named_user(request, user_id) or caller.owner
