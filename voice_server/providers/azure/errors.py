"""Azure's cancellations in our words: the one table."""

from typing import Any

from voice_server.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Stage


class CancelledByAzure(Exception):
    """The SDK raises nothing and tells: this is what it told. `code` is the name of its error code."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details


def told(code: Any, details: Any) -> CancelledByAzure:
    """From the parts of a `CancellationDetails`."""
    return CancelledByAzure(str(getattr(code, "name", code)), str(details))


def azure_error(error: Exception, stage: Stage) -> ProviderError:
    """Our error for a cancellation, or for an exception of the SDK; raise it `from` that."""
    code = error.code if isinstance(error, CancelledByAzure) else ""
    match code:
        case "AuthenticationFailure" | "Forbidden":
            return ProviderUnavailable(
                "Azure refused the key; check VOICE_SERVER_VENDORS__AZURE__API_KEY and that it belongs to "
                "VOICE_SERVER_VENDORS__AZURE__REGION, and whether a free quota is used up.",
                code="provider_auth",
                stage=stage,
                retryable=False,
            )
        case "TooManyRequests":
            return ProviderUnavailable(
                "Azure has too many requests from this account at once; wait, or have its limit raised in "
                "the Azure portal.",
                code="provider_rate_limited",
                stage=stage,
            )
        case "ConnectionFailure":
            return ProviderUnavailable(
                "Azure cannot be reached, or broke off; check the network and "
                "VOICE_SERVER_VENDORS__AZURE__REGION.",
                code="provider_unreachable",
                stage=stage,
            )
        case "ServiceTimeout":
            return ProviderTimeout("Azure gave no answer in time.", stage=stage)
        case "BadRequest":
            return ProviderError(
                "Azure refused the request; check that the language and the voice go together.",
                stage=stage,
                retryable=False,
            )
        case "ServiceError" if isinstance(error, CancelledByAzure) and "Invalid response" in error.details:
            return ProviderError(
                "Azure's answer could not be understood; is the address that of another service?",
                code="provider_bad_answer",
                stage=stage,
            )
        case _:
            return ProviderError("Azure failed; its status page may say why.", stage=stage)
