"""The REST application, put together."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from voice_server import __version__
from voice_server.rest.body_limit import BodyLimit
from voice_server.rest.context import RestContext
from voice_server.rest.discovery import discovery_routes
from voice_server.rest.errors import install_error_handlers
from voice_server.rest.health import health_routes
from voice_server.rest.keys import key_routes
from voice_server.rest.pages import page_routes
from voice_server.rest.rate_headers import RATE_HEADERS, RateHeaders
from voice_server.rest.sessions import session_routes
from voice_server.rest.sign_in import sign_in_routes
from voice_server.rest.sockets import socket_routes
from voice_server.rest.tokens import token_routes
from voice_server.rest.usage import usage_routes
from voice_server.rest.voice_stream import voice_stream_routes


def create_api(context: RestContext) -> FastAPI:
    """Everything on the REST port."""
    app = FastAPI(title="voice_server", version=__version__, docs_url=None, redoc_url=None)
    app.openapi_version = "3.0.3"  # the packaged Swagger UI shows nothing of a 3.1 document
    install_error_handlers(app)
    app.add_middleware(BodyLimit, limits=context.limits)
    app.add_middleware(RateHeaders)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(context.origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[*RATE_HEADERS, "Retry-After"],
    )
    for routes in (
        health_routes(context),
        discovery_routes(context),
        voice_stream_routes(context),
        key_routes(context),
        sign_in_routes(context),
        token_routes(context),
        session_routes(context),
        usage_routes(context),
        socket_routes(context),
        page_routes(app),
    ):
        app.include_router(routes)
    return app
