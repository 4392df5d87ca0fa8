"""Every error the server tells somebody about, in one tree.

    VoiceServerError
    ├── ConfigurationError      the operator must change something before the server can run
    │   └── ModelFileError      a model's weights are missing, damaged or could not be fetched
    ├── ProtocolError           the client sent something the wire does not allow
    ├── AuthenticationError     nobody we know
    ├── ForbiddenError          known, but without the right to this
    ├── LimitError              known, but over a limit
    ├── TooLargeError           more than is taken at once
    ├── NotFoundError           an id that names nothing the caller may see
    ├── ToolError               a tool of the server could not do what the model asked of it
    ├── StoreError              the database does not take or give anything now
    ├── RecordingError          a file that is no recording of a session, or not one that can be read
    ├── AudioError              bytes that are not the audio they claim to be, or hold no speech
    └── ProviderError           a speech-to-text, language or text-to-speech provider failed
        ├── ProviderTimeout     … by saying nothing within its deadline
        └── ProviderUnavailable … before it began: refused, no key, out of capacity

`code` is stable and goes on the wire; `message` is a sentence for a person, without a vendor's text
(the vendor's exception is the `__cause__`); `retryable` says whether the same request may work later.
"""

from typing import Literal

Stage = Literal["protocol", "auth", "limit", "stt", "llm", "tts", "internal"]


class VoiceServerError(Exception):
    """Base of the tree. `stage` says which part of a turn it belongs to."""

    code: str = "internal_error"
    stage: Stage = "internal"
    retryable: bool = False

    def __init__(self, message: str, *, code: str | None = None, stage: Stage | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if stage is not None:
            self.stage = stage


class ConfigurationError(VoiceServerError):
    """The operator must change something before the server can run."""

    code = "configuration"


class ModelFileError(ConfigurationError):
    """A model's weights are missing, damaged or could not be fetched."""

    code = "model_file"


class ProtocolError(VoiceServerError):
    """The client sent something the wire does not allow."""

    code = "bad_frame"
    stage: Stage = "protocol"


class AuthenticationError(VoiceServerError):
    """Nobody we know."""

    code = "not_authenticated"
    stage: Stage = "auth"


class ForbiddenError(VoiceServerError):
    """Known, but without the right to this."""

    code = "forbidden"
    stage: Stage = "auth"


class LimitError(VoiceServerError):
    """Known, but over a limit; later it may work: `retry_after_s` says when, where that is known."""

    code = "limit"
    stage: Stage = "limit"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        stage: Stage | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, stage=stage)
        self.retry_after_s = retry_after_s


class TooLargeError(VoiceServerError):
    """More than is taken at once; less would do."""

    code = "too_large"
    stage: Stage = "limit"


class NotFoundError(VoiceServerError):
    """An id that names nothing the caller may see."""

    code = "not_found"
    stage: Stage = "protocol"


class StoreError(VoiceServerError):
    """The database does not take or give anything now: locked, full, away."""

    code = "not_saved"
    retryable = True


class ToolError(VoiceServerError):
    """A tool could not do what the language model asked. The model is told the sentence, no client is."""

    stage: Stage = "llm"


class RecordingError(VoiceServerError):
    """A file that is no recording of a session, or not one that this version can read. Never on a wire."""


class AudioError(VoiceServerError):
    """Bytes that are not the audio they claim to be, or that hold no speech."""

    code = "bad_audio"
    stage: Stage = "stt"


class ProviderError(VoiceServerError):
    """A provider failed; raise it with `stage` set to the provider's role.

    `retryable=False` where only the operator can help, as with a refused key. `retry_after_s` is how long the
    provider asked to be left alone, where it said so.
    """

    code = "provider_failed"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        stage: Stage | None = None,
        retryable: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, stage=stage)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ProviderTimeout(ProviderError):
    """A provider said nothing within its deadline."""

    code = "provider_timeout"


class ProviderUnavailable(ProviderError):
    """A provider could not begin: refused, no key, out of capacity, still loading."""

    code = "provider_unavailable"


class SocketClosed(Exception):
    """The peer is gone. Not an error of ours, so outside the tree; `is_clean`: it said good-bye (1000)."""

    def __init__(self, *, is_clean: bool) -> None:
        super().__init__("the socket is closed")
        self.is_clean = is_clean
