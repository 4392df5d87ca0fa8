"""One shape for every error of this API: `{"error": sentence, "code": code, "request_id": id}`."""

import math
import secrets
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from voice_server.errors import (
    AudioError,
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    LimitError,
    NotFoundError,
    ProtocolError,
    ProviderError,
    StoreError,
    VoiceServerError,
)

log = structlog.get_logger()

_STATUSES: tuple[tuple[type[VoiceServerError], int], ...] = (
    (AuthenticationError, 401),
    (ForbiddenError, 403),
    (LimitError, 429),
    (NotFoundError, 404),
    (ProtocolError, 400),
    (AudioError, 400),
    (ConfigurationError, 503),
    (ProviderError, 503),
    (StoreError, 503),
)


def install_error_handlers(app: FastAPI) -> None:
    """Every error leaves in the one shape, never with a trace."""
    app.add_exception_handler(VoiceServerError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def error_body(message: str, code: str) -> dict[str, str]:
    """The body of an error answer."""
    return {"error": message, "code": code, "request_id": f"req_{secrets.token_hex(8)}"}


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VoiceServerError)
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    wait_s = error.retry_after_s if isinstance(error, LimitError) else None
    headers = {"Retry-After": str(math.ceil(wait_s or 5))} if status in (429, 503) else None
    return JSONResponse(error_body(error.message, error.code), status, headers)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is no {request.url.path} here."
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return JSONResponse(error_body(message, code), error.status_code, error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    message = f"{where}: {first['msg']}" if where else str(first["msg"])
    return JSONResponse(error_body(message, "invalid_request"), 400)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request broke", path=request.url.path, exc_info=error)
    return JSONResponse(error_body("Something went wrong on the server.", "internal_error"), 500)
