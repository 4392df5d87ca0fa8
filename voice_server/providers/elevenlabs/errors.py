"""ElevenLabs' errors in our words: the one table."""

from collections.abc import Mapping
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from voice_server.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Stage
from voice_server.providers.registry import import_vendor
from voice_server.providers.retry_after import retry_after_s

_KEY_REFUSED = frozenset({"auth_error", "unaccepted_terms"})
_BUSY = frozenset(
    {"rate_limited", "quota_exceeded", "queue_overflow", "resource_exhausted", "commit_throttled"}
)


class ToldError(Exception):
    """An error message on a WebSocket; `kind` is the vendor's word for it."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the server sent {kind}")
        self.kind = kind


class GarbledError(Exception):
    """An answer that is none."""


def elevenlabs_error(error: Exception, stage: Stage) -> ProviderError:
    """Our error for whatever the SDK, its HTTP client or a socket raised; raise it `from` that."""
    api = import_vendor("elevenlabs.core.api_error", extra="elevenlabs")
    httpx = import_vendor("httpx", extra="elevenlabs")
    match error:
        case api.ApiError() if error.status_code is not None and not 200 <= error.status_code < 300:
            return _status(error.status_code, error.headers or {}, _detail(error.body), stage)
        case InvalidStatus():
            return _status(error.response.status_code, error.response.headers, "", stage)
        case ToldError(kind=kind):
            return _told(kind, stage)
        case httpx.TimeoutException() | TimeoutError():
            return ProviderTimeout("ElevenLabs gave no answer in time.", stage=stage)
        case InvalidHandshake():
            return _garbled(stage)
        case httpx.TransportError() | WebSocketException() | OSError() | EOFError():
            return ProviderUnavailable(
                "ElevenLabs cannot be reached, or broke off; check the network, and "
                "VOICE_SERVER_VENDORS__ELEVENLABS__BASE_URL if it is set.",
                code="provider_unreachable",
                stage=stage,
            )
        case _:
            return _garbled(stage)


def _status(status: int, headers: Mapping[str, str], detail: str, stage: Stage) -> ProviderError:
    match status:
        case 401 | 403 if detail != "quota_exceeded":
            return _told("auth_error", stage)
        case 401 | 403 | 429:
            return _told("rate_limited", stage, retry_after_s(headers))
        case 400 | 404 | 422:
            return _told("invalid_request", stage)
        case _:
            return _told("transcriber_error", stage)


def _told(kind: str, stage: Stage, retry_after_s: float | None = None) -> ProviderError:
    if kind in _KEY_REFUSED:
        return ProviderUnavailable(
            "ElevenLabs refused the key; check VOICE_SERVER_VENDORS__ELEVENLABS__API_KEY, its permissions, "
            "and that the account has accepted the terms.",
            code="provider_auth",
            stage=stage,
            retryable=False,
        )
    if kind in _BUSY:
        return ProviderUnavailable(
            "ElevenLabs is used up for now: too many requests at once, or no credits left on the account.",
            code="provider_rate_limited",
            stage=stage,
            retry_after_s=retry_after_s,
        )
    if kind in ("invalid_request", "input_error"):
        return ProviderError(
            "ElevenLabs refused the request; check that the model, the voice and the language go together.",
            stage=stage,
            retryable=False,
        )
    return ProviderError("ElevenLabs failed; its status page may say why.", stage=stage)


def _garbled(stage: Stage) -> ProviderError:
    return ProviderError(
        "ElevenLabs' answer could not be understood; is the address that of another service?",
        code="provider_bad_answer",
        stage=stage,
    )


def _detail(body: Any) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    return str(detail.get("status", "")) if isinstance(detail, dict) else ""
