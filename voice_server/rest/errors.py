"""One shape for every error of this API: `{"error": sentence, "code": code, "request_id": id}`."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

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
    TooLargeError,
    VoiceServerError,
)
from voice_server.rest.request_id import HEADER, request_id_of

log = structlog.get_logger()

_STATUSES: tuple[tuple[type[VoiceServerError], int], ...] = (
    (AuthenticationError, 401),
    (ForbiddenError, 403),
    (LimitError, 429),
    (TooLargeError, 413),
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


def error_body(scope: Scope, message: str, code: str) -> dict[str, str]:
    """The body of an error answer to this request."""
    return {"error": message, "code": code, "request_id": request_id_of(scope)}


def error_answer(
    scope: Scope, message: str, code: str, status: int, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The whole error answer to this request."""
    body = error_body(scope, message, code)
    return JSONResponse(body, status, {**(headers or {}), HEADER: body["request_id"]})


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VoiceServerError)
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    wait_s = error.retry_after_s if isinstance(error, LimitError) else None
    headers = {"Retry-After": str(math.ceil(wait_s or 5))} if status in (429, 503) else None
    return error_answer(request.scope, error.message, error.code, status, headers)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is no {request.url.path} here."
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
    elif error.status_code == 400:  # of the framework: JSON that even its parser gives up
        return error_answer(request.scope, "The body cannot be read as JSON.", "invalid_request", 400)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return error_answer(request.scope, message, code, error.status_code, error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *path = first["loc"]
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if place == "body" and not path and not _is_json(media_type):
        sentence = "The body must be JSON, sent with 'Content-Type: application/json'."
        return error_answer(request.scope, sentence, "unsupported_media_type", 415)
    if first["type"] == "json_invalid":
        sentence = f"The body is not valid JSON: {first['ctx']['error']} at character {path[0]}."
        return error_answer(request.scope, sentence, "invalid_request", 400)
    return error_answer(request.scope, _told(path, first), "invalid_request", 400)


def _told(path: list[str | int], fault: dict[str, Any]) -> str:
    """What is wrong with one field, or with the body."""
    if not path:
        return "The body must be a JSON object."
    where = ".".join(str(part) for part in path)
    return f"{where} is missing." if fault["type"] == "missing" else f"{where}: {fault['msg']}."


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    request_id = request_id_of(request.scope)
    log.error("request broke", path=request.url.path, request_id=request_id, exc_info=error)
    return error_answer(request.scope, "Something went wrong on the server.", "internal_error", 500)
