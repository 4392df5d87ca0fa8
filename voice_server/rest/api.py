"""The REST application, put together."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from voice_server import __version__
from voice_server.rest.body_limit import BodyLimit
from voice_server.rest.chat import chat_routes, chat_stream_routes
from voice_server.rest.context import RestContext
from voice_server.rest.conversations import conversation_routes
from voice_server.rest.discovery import discovery_routes
from voice_server.rest.errors import install_error_handlers
from voice_server.rest.features import feature_routes
from voice_server.rest.feedback import feedback_routes
from voice_server.rest.fields import ErrorBody
from voice_server.rest.health import health_routes
from voice_server.rest.keys import key_routes
from voice_server.rest.metrics import metrics_routes
from voice_server.rest.pages import page_routes
from voice_server.rest.rate_headers import RATE_HEADERS, RateHeaders
from voice_server.rest.request_id import HEADER, RequestIds
from voice_server.rest.search import search_routes
from voice_server.rest.sessions import session_routes
from voice_server.rest.sign_in import sign_in_routes
from voice_server.rest.sockets import socket_routes
from voice_server.rest.speech import speech_routes
from voice_server.rest.templates import template_routes
from voice_server.rest.tokens import token_routes
from voice_server.rest.usage import usage_routes
from voice_server.rest.voice_stream import voice_stream_routes

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request cannot be granted."},
    "5XX": {"model": ErrorBody, "description": "The server cannot do it now."},
}
_ABOUT = """\
The REST API of voice_server. Everything under `/api` is under `/api/v1` too, where only additions happen:
new paths, new optional parameters, new fields. Keys go into `Authorization: Bearer`, `X-API-Key` or
`?api_key=`.
"""


def create_api(context: RestContext) -> FastAPI:
    """Everything on the REST port."""
    app = FastAPI(
        title="voice_server", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None
    )
    app.openapi_version = "3.0.3"  # the packaged Swagger UI shows nothing of a 3.1 document
    install_error_handlers(app)
    app.add_middleware(BodyLimit, limits=context.limits)
    app.add_middleware(RateHeaders)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(context.origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[HEADER, *RATE_HEADERS, "Retry-After"],
    )
    app.add_middleware(RequestIds)
    api = APIRouter(responses=_ERRORS)
    for routes in (
        health_routes(context),
        discovery_routes(context),
        feature_routes(context),
        chat_routes(context),
        conversation_routes(context),
        template_routes(context),
        feedback_routes(context),
        search_routes(context),
        speech_routes(context),
        voice_stream_routes(context),
        key_routes(context),
        sign_in_routes(context),
        token_routes(context),
        session_routes(context),
        usage_routes(context),
    ):
        api.include_router(routes)
    for version in ("/api", "/api/v1"):
        app.include_router(api, prefix=version)
    app.include_router(chat_stream_routes(context), responses=_ERRORS)
    app.include_router(metrics_routes(context))
    app.include_router(socket_routes(context))
    app.include_router(page_routes(app))
    return app
