"""The errors of OpenAI's SDK, and of the servers behind it, in our words: the one table."""

from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from voice_server.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Stage
from voice_server.providers.openai.options import OpenAiOptions
from voice_server.providers.registry import import_vendor
from voice_server.providers.retry_after import retry_after_s

_KEY_REFUSED = frozenset({"invalid_api_key", "authentication_error", "invalid_authentication"})
_BUSY = frozenset({"rate_limit_exceeded", "rate_limit_error", "requests", "tokens"})
_NO_CREDIT = "insufficient_quota"
_SERVER_FAULT = frozenset({"server_error", "internal_server_error", "internal_error"})


class EventError(Exception):
    """An `error` event of a WebSocket session; `body` is the vendor's object, with `code` and `type`."""

    def __init__(self, body: Any) -> None:
        super().__init__("the server sent an error event")
        self.body = body


def failures() -> tuple[type[Exception], ...]:
    """What may come out of the SDK, and out of reading what it gives. Call it when the SDK is loaded."""
    openai = import_vendor("openai", extra="openai")
    httpx = import_vendor("httpx2", extra="openai")
    return (
        openai.OpenAIError,
        httpx.HTTPError,  # reading a response as it streams is not wrapped
        WebSocketException,
        EventError,
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    )


def openai_error(error: Exception, stage: Stage, options: OpenAiOptions) -> ProviderError:
    """Our error for one of `failures`; raise it `from` that.

    `EOFError` stands for an answer that stops in its middle; `ValueError`, `TypeError`, `AttributeError` and
    `LookupError` for one that cannot be read.
    """
    openai = import_vendor("openai", extra="openai")
    httpx = import_vendor("httpx2", extra="openai")
    who = options.title
    match error:
        case openai.APITimeoutError() | httpx.TimeoutException() | TimeoutError():
            return ProviderTimeout(f"{who} gave no answer in time.", stage=stage)
        case openai.APIResponseValidationError():
            return _unreadable(stage, options)
        case openai.APIStatusError():
            return _status(error.status_code, error.response.headers, error.body, stage, options)
        case InvalidStatus():
            return _status(error.response.status_code, error.response.headers, None, stage, options)
        case openai.APIConnectionError() if not isinstance(error.__cause__, httpx.ConnectError):
            return _broke_off(stage, options)
        case openai.APIConnectionError() | httpx.ConnectError():
            return _unreachable(stage, options)
        case openai.APIError() | EventError():  # in the middle of a stream
            return _told(error.body, stage, options)
        case InvalidHandshake():
            return _unreadable(stage, options)
        case httpx.HTTPError() | WebSocketException() | EOFError():
            return _broke_off(stage, options)
        case OSError():
            return _unreachable(stage, options)
        case _:
            return _unreadable(stage, options)


def _status(status: int, headers: Any, body: Any, stage: Stage, options: OpenAiOptions) -> ProviderError:
    if status in (401, 403):
        return _key_refused(stage, options)
    if status == 429:
        return _busy(stage, options, _names(body), retry_after_s(headers))
    if status >= 500:
        return _failed(stage, options)
    return _refused(stage, options)


def _told(body: Any, stage: Stage, options: OpenAiOptions) -> ProviderError:
    names = _names(body)
    if names & _KEY_REFUSED:
        return _key_refused(stage, options)
    if names & _BUSY or _NO_CREDIT in names:
        return _busy(stage, options, names, None)
    if names & _SERVER_FAULT or not names:
        return _failed(stage, options)
    return _refused(stage, options)


def _key_refused(stage: Stage, options: OpenAiOptions) -> ProviderError:
    return ProviderUnavailable(
        f"{options.title} refused the key; check {options.setting}__API_KEY, and that it may use the model.",
        code="provider_auth",
        stage=stage,
        retryable=False,
    )


def _busy(
    stage: Stage, options: OpenAiOptions, names: frozenset[str], retry_after_s: float | None
) -> ProviderError:
    if _NO_CREDIT in names:
        return ProviderUnavailable(
            f"{options.title} says that the account has no credit left; add some, or set another key.",
            code="provider_rate_limited",
            stage=stage,
            retryable=False,
        )
    return ProviderUnavailable(
        f"{options.title} is asked too often with this key; wait, or raise its rate limits.",
        code="provider_rate_limited",
        stage=stage,
        retry_after_s=retry_after_s,
    )


def _failed(stage: Stage, options: OpenAiOptions) -> ProviderError:
    return ProviderError(f"{options.title} failed; its status page or its log may say why.", stage=stage)


def _broke_off(stage: Stage, options: OpenAiOptions) -> ProviderError:
    return ProviderError(f"{options.title} broke off its answer.", stage=stage)


def _refused(stage: Stage, options: OpenAiOptions) -> ProviderError:
    return ProviderError(
        f"{options.title} refused the request; check that the model and the voice exist at "
        f"{options.setting}__BASE_URL and go together.",
        stage=stage,
        retryable=False,
    )


def _unreachable(stage: Stage, options: OpenAiOptions) -> ProviderError:
    return ProviderUnavailable(
        f"{options.title} cannot be reached; check the network, and {options.setting}__BASE_URL if it is "
        "set.",
        code="provider_unreachable",
        stage=stage,
    )


def _unreadable(stage: Stage, options: OpenAiOptions) -> ProviderError:
    return ProviderError(
        f"{options.title}'s answer could not be understood; is {options.setting}__BASE_URL the address of "
        "another service? It usually ends in /v1.",
        code="provider_bad_answer",
        stage=stage,
    )


def _names(body: Any) -> frozenset[str]:
    """The stable words of an error object: its code and its type."""
    if not isinstance(body, dict):
        return frozenset()
    return frozenset(name for key in ("code", "type") if isinstance(name := body.get(key), str))
