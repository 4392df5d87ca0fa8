"""Google's errors in our words: the one table."""

from typing import Any

from voice_server.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Stage

_BUSY = frozenset({"RESOURCE_EXHAUSTED"})
_REFUSED = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_LATE = frozenset({"DEADLINE_EXCEEDED"})
_AWAY = frozenset({"UNAVAILABLE"})
_GARBLED = frozenset({"DATA_LOSS", "UNIMPLEMENTED"})
_OUR_FAULT = frozenset({"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE"})


def google_error(error: Exception, stage: Stage) -> ProviderError:
    """Our error for an exception of `google.api_core` or `grpc.aio`; raise it `from` that.

    An answer that cannot be decoded comes out of gRPC as None, and fails without a status where it is used.
    """
    status = status_of(error)
    if status in _REFUSED:
        return ProviderUnavailable(
            "Google refused the key; check VOICE_SERVER_VENDORS__GOOGLE__API_KEY (or CREDENTIALS_FILE), and "
            "that the service is enabled for its project.",
            code="provider_auth",
            stage=stage,
            retryable=False,
        )
    if status in _BUSY:
        return ProviderUnavailable(
            "Google's quota is used up for now; wait, or ask for a higher one in the Google Cloud console.",
            code="provider_rate_limited",
            stage=stage,
            retry_after_s=_retry_after_s(error),
        )
    if status in _LATE:
        return ProviderTimeout("Google gave no answer in time.", stage=stage)
    if status in _AWAY:
        return ProviderUnavailable(
            "Google cannot be reached; check the network, and "
            "VOICE_SERVER_VENDORS__GOOGLE__BASE_URL if it is set.",
            code="provider_unreachable",
            stage=stage,
        )
    if status in _GARBLED or not status:
        return ProviderError(
            "Google's answer could not be understood; is the address that of another service?",
            code="provider_bad_answer",
            stage=stage,
        )
    if status in _OUR_FAULT:
        return ProviderError(
            "Google refused the request; check that the language, the model and the voice go together.",
            stage=stage,
            retryable=False,
        )
    return ProviderError("Google failed; its status page may say why.", stage=stage)


def status_of(error: Exception) -> str:
    """The name of the gRPC status, such as `UNAVAILABLE`; empty where there is none."""
    code: Any = getattr(error, "grpc_status_code", None)
    if code is None and callable(ask := getattr(error, "code", None)):
        code = ask()  # a bare AioRpcError
    return str(getattr(code, "name", ""))


def _retry_after_s(error: Exception) -> float | None:
    """From `google.rpc.RetryInfo` among the details."""
    for detail in getattr(error, "details", None) or ():
        if (delay := getattr(detail, "retry_delay", None)) is not None:
            return float(delay.seconds + delay.nanos / 1e9)
    return None
