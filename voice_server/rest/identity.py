"""Who makes a request, whether they may, and what it counts: one way in for every route that needs a key."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import AfterValidator, StringConstraints

from voice_server.core.caller import Caller, Scope
from voice_server.core.usage import Use
from voice_server.errors import ForbiddenError
from voice_server.rest.context import RestContext
from voice_server.rest.rate_headers import note_budget, note_rate
from voice_server.services.keys import COOKIE

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def bearer_token(request: Request) -> str | None:
    """The token of an `Authorization: Bearer …` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identifier(
    context: RestContext, scope: Scope = Scope.CHAT, *, counted: bool = True
) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that gives the caller, or answers 401, 403 or 429.

    The key is a Bearer token, `X-API-Key` or `?api_key=`; without any, the cookie of `POST /api/login`. Not
    `counted` are requests by which a caller sees or mends its own standing.
    """

    async def identify(request: Request) -> Caller:
        key = bearer_token(request) or request.headers.get("x-api-key") or request.query_params.get("api_key")
        if not key and request.method not in _SAFE_METHODS:
            check_origin(request, context.origins)
        caller = await context.keys.identify(key or request.cookies.get(COOKIE))
        caller.demand(scope)
        if counted:
            await _count(request, caller)
        return caller

    async def _count(request: Request, caller: Caller) -> None:
        state, refusal = await context.rates.take(caller)
        note_rate(request, state)
        if refusal is not None:
            raise refusal
        standing = await context.meter.standing(caller)
        if standing.refusal is not None:
            raise standing.refusal
        note_budget(request, standing.warning)
        context.meter.record(caller, Use("api", "api"))

    return identify


def check_origin(request: Request, origins: tuple[str, ...]) -> None:
    """A page of another site must not act with what the browser brings by itself.

    Raises:
        ForbiddenError: it is one.
    """
    origin = request.headers.get("origin")
    if origin is None or origin in origins:
        return
    # Behind a name we do not know, the page's own origin will do for who has a cookie of that name.
    if COOKIE in request.cookies and urlsplit(origin).netloc == request.headers.get("host"):
        return
    raise ForbiddenError(f"The origin {origin} may not do this. The operator can add it to 'origins'.")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold NUL characters")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
