"""The errors of Anthropic's SDK in our words: the one table."""

from typing import Any

from voice_server.errors import ProviderError, ProviderTimeout, ProviderUnavailable
from voice_server.providers.registry import import_vendor
from voice_server.providers.retry_after import retry_after_s


def failures() -> tuple[type[Exception], ...]:
    """What may come out of the SDK, and out of reading what it gives. Call it when the SDK is loaded."""
    anthropic = import_vendor("anthropic", extra="anthropic")
    httpx = import_vendor("httpx2", extra="anthropic")
    return (
        anthropic.AnthropicError,
        httpx.HTTPError,  # reading a response as it streams is not wrapped
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    )


def anthropic_error(error: Exception) -> ProviderError:
    """Our error for one of `failures`; raise it `from` that.

    `EOFError` stands for an answer that stops in its middle; `ValueError`, `TypeError`, `AttributeError` and
    `LookupError` for one that cannot be read.
    """
    anthropic = import_vendor("anthropic", extra="anthropic")
    httpx = import_vendor("httpx2", extra="anthropic")
    match error:
        case anthropic.APITimeoutError() | httpx.TimeoutException() | TimeoutError():
            return ProviderTimeout("Anthropic gave no answer in time.", stage="llm")
        case anthropic.APIStatusError():
            return _status(error)
        case anthropic.APIConnectionError() if not isinstance(error.__cause__, httpx.ConnectError):
            return _broke_off()
        case anthropic.APIConnectionError() | httpx.ConnectError():
            return _unreachable()
        case httpx.HTTPError() | EOFError():
            return _broke_off()
        case OSError():
            return _unreachable()
        case _:
            return ProviderError(
                "Anthropic's answer could not be understood; is VOICE_SERVER_VENDORS__ANTHROPIC__BASE_URL "
                "the address of another service?",
                code="provider_bad_answer",
                stage="llm",
            )


def _status(error: Any) -> ProviderError:
    # An error in the middle of a stream has the status of the stream, 200: its type says what it is.
    match (error.type, error.status_code):
        case ("authentication_error" | "permission_error", _) | (_, 401 | 403):
            return ProviderUnavailable(
                "Anthropic refused the key; check VOICE_SERVER_VENDORS__ANTHROPIC__API_KEY, and that it may "
                "use the model.",
                code="provider_auth",
                stage="llm",
                retryable=False,
            )
        case ("billing_error", _) | (_, 402):
            return ProviderUnavailable(
                "Anthropic says that the account has no credit left; add some, or set another key.",
                code="provider_rate_limited",
                stage="llm",
                retryable=False,
            )
        case ("rate_limit_error", _) | (_, 429):
            return ProviderUnavailable(
                "Anthropic is asked too often with this key; wait, or raise its rate limits.",
                code="provider_rate_limited",
                stage="llm",
                retry_after_s=retry_after_s(error.response.headers),
            )
        case ("overloaded_error", _) | (_, 529):
            return ProviderUnavailable(
                "Anthropic has too much to do just now; wait a little.",
                code="provider_failed",
                stage="llm",
                retry_after_s=retry_after_s(error.response.headers),
            )
        case (_, status) if 400 <= status < 500:
            return ProviderError(
                "Anthropic refused the request; check that VOICE_SERVER_VENDORS__ANTHROPIC__LLM_MODEL exists "
                "and takes what VOICE_SERVER_VENDORS__ANTHROPIC__THINKING says.",
                stage="llm",
                retryable=False,
            )
        case _:
            return ProviderError("Anthropic failed; its status page may say why.", stage="llm")


def _broke_off() -> ProviderError:
    return ProviderError("Anthropic broke off its answer.", stage="llm")


def _unreachable() -> ProviderError:
    return ProviderUnavailable(
        "Anthropic cannot be reached; check the network, and VOICE_SERVER_VENDORS__ANTHROPIC__BASE_URL if it "
        "is set.",
        code="provider_unreachable",
        stage="llm",
    )
