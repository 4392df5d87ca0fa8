"""Who makes a request: a Bearer token, `X-API-Key` or `?api_key=`."""

from collections.abc import Callable

from fastapi import Request

from voice_server.core.caller import Caller
from voice_server.services.keys import KeyRing


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
