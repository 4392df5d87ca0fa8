"""`/api/login` and `/api/logout`: a cookie for our own pages, so that they need not keep a key."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from voice_server.core.caller import Caller, Scope, Tier
from voice_server.rest.context import RestContext
from voice_server.rest.identity import check_origin, identifier
from voice_server.services.keys import COOKIE


class SignIn(BaseModel):
    """The key that the cookie shall stand for."""

    api_key: Annotated[str, Field(min_length=1, max_length=1_000)]


class WhoAmI(BaseModel):
    """Who the caller is; `key` is null on a server that asks nobody for a key."""

    key: str | None
    name: str | None
    owner: str
    tier: Tier | None
    scopes: list[Scope]


class SignedOut(BaseModel):
    """The cookie stands for nothing any more."""

    status: Literal["success"] = "success"


def sign_in_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["sign-in"])
    # Whoever may do anything may ask who they are.
    identify = identifier(context, None, counted=False)

    @router.post("/login")
    async def sign_in(wish: SignIn, request: Request, response: Response) -> WhoAmI:
        """Sign a browser in. The cookie cannot be read by scripts and is not sent from other sites."""
        check_origin(request, context.origins, has_signed_in=COOKIE in request.cookies)
        caller, token = await context.keys.sign_in(wish.api_key, context.web_session_s)
        response.set_cookie(
            COOKIE,
            token,
            max_age=round(context.web_session_s),
            httponly=True,
            samesite="strict",
            secure=context.is_secure or request.url.scheme == "https",
        )
        return _who(caller)

    @router.post("/logout")
    async def sign_out(request: Request, response: Response) -> SignedOut:
        """Sign the browser out."""
        check_origin(request, context.origins, has_signed_in=COOKIE in request.cookies)
        if token := request.cookies.get(COOKIE):
            await context.keys.sign_out(token)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return SignedOut()

    @router.get("/me")
    async def who_am_i(caller: Annotated[Caller, Depends(identify)]) -> WhoAmI:
        """Whose key this is, and what it may do."""
        return _who(caller)

    return router


def _who(caller: Caller) -> WhoAmI:
    return WhoAmI(
        key=caller.key_id,
        name=caller.key_name,
        owner=caller.owner,
        tier=caller.tier,
        scopes=[scope for scope in Scope if scope in caller.scopes],
    )
