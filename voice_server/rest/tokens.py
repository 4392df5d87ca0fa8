"""`/api/tokens`: tokens for browsers, so that no key enters a page."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from voice_server.core.caller import Caller, Scope
from voice_server.core.wire import Changes, TemplateChoice
from voice_server.rest.chat import TemplateRequest
from voice_server.rest.context import RestContext
from voice_server.rest.fields import Name
from voice_server.rest.identity import identifier


class TokenOptions(BaseModel):
    """What the bearer gets and may not change; what is left out is the bearer's to choose."""

    model: Name | None = None
    voice: Name | None = None
    language: Name | None = None
    template: TemplateRequest | None = None
    max_minutes: Annotated[float | None, Field(ge=0.01, le=1440, allow_inf_nan=False)] = None


class TokenRequest(BaseModel):
    """Whom it is for. The bearer can only go on with conversations of this user."""

    user_id: Name | None = None
    options: TokenOptions = TokenOptions()


class ClientToken(BaseModel):
    """Good for one voice session that begins within `expires_in_s`: as `api_key` of `init`, as `?api_key=`,
    or as Bearer. After that it only resumes that session."""

    token: str
    expires_in_s: float


def token_routes(context: RestContext) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["keys"])
    identify = identifier(context, Scope.VOICE)

    @router.post("/tokens")
    async def create_token(wish: TokenRequest, caller: Annotated[Caller, Depends(identify)]) -> ClientToken:
        """Make a token for a browser; ask for it on your own server, with your key."""
        options, template = wish.options, None
        if options.template is not None:
            named = options.template
            await context.templates.render(caller.owner, named.name, named.variables)  # or be told now
            template = TemplateChoice(named.name, named.variables)
        fixed = Changes(
            model=options.model,
            tts_voice=options.voice,
            language_code=options.language,
            template=template,
        )
        longest_ms = None if options.max_minutes is None else options.max_minutes * 60_000
        token = context.client_tokens.issue(caller, wish.user_id, fixed, longest_ms)
        return ClientToken(token=token, expires_in_s=context.client_tokens.lifetime_s)

    return router
