"""Who makes a request, whether they may, and what it counts: one way in for every route that needs a key;
and for which of its users."""

from collections.abc import Awaitable, Callable

from fastapi import Request

from voice_server.core.caller import Caller, Scope
from voice_server.core.usage import Use
from voice_server.errors import ForbiddenError, ProtocolError
from voice_server.rest.context import RestContext
from voice_server.rest.rate_headers import note_budget, note_rate
from voice_server.services.keys import COOKIE

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_LONGEST_USER = 200


def bearer_token(request: Request) -> str | None:
    """The token of an `Authorization: Bearer …` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identifier(
    context: RestContext, scope: Scope | None = Scope.CHAT, *, counted: bool = True
) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that gives the caller, or answers 401, 403 or 429.

    The key is a Bearer token, `X-API-Key` or `?api_key=`; without any, the cookie of `POST /api/login`. Not
    `counted` are requests by which a caller sees or mends its own standing.
    """

    async def identify(request: Request) -> Caller:
        key = bearer_token(request) or request.headers.get("x-api-key") or request.query_params.get("api_key")
        caller = await context.keys.identify(key or request.cookies.get(COOKIE))
        if not key and request.method not in _SAFE_METHODS:
            check_origin(request, context.origins, has_signed_in=caller.key_id is not None)
        if scope is not None:
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


def check_origin(request: Request, origins: tuple[str, ...], *, has_signed_in: bool) -> None:
    """A page of another site must not act with what the browser brings by itself.

    Raises:
        ForbiddenError: it is one.
    """
    origin = request.headers.get("origin")
    if origin is None or origin in origins:
        return
    # Behind a name we do not know, the page's own origin will do for who has signed in by that name; for
    # others it will not, because any site can have its name lead to this machine.
    if has_signed_in and origin.partition("://")[2] == request.headers.get("host"):
        return
    raise ForbiddenError(f"The origin {origin} may not do this. The operator can add it to 'origins'.")


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
