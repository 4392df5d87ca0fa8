"""Google's two dialects of streaming recognition, v1 and v2, as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from voice_server.audio.format import STT_RATE_HZ
from voice_server.providers.google.options import GoogleOptions
from voice_server.providers.registry import import_vendor

CALL_TIMEOUT_S = 330.0
"""Beyond Google's own limit of five minutes: a call that is still there is forgotten."""

MOST_LANGUAGES = 4
"""Google takes three beside the first, in either version at most so many."""


@dataclass(frozen=True, slots=True)
class Result:
    """One result. `end_ms` is where it ends in the audio of the call; `confidence` 0 means not given."""

    text: str
    is_final: bool
    end_ms: float
    confidence: float
    language: str | None


class Recognizer(Protocol):
    """Opens calls and speaks their messages."""

    async def open(self) -> Any:
        """A bidirectional call; its first request is `configuration`."""
        ...

    def configuration(self, languages: Sequence[str]) -> Any:
        """The request that says what comes, in the first of these languages or in another of them."""
        ...

    def audio(self, pcm: bytes) -> Any:
        """The request that carries audio."""
        ...

    def results(self, response: Any) -> list[Result]:
        """What a response tells."""
        ...


def make_recognizer(
    channel: Any, options: GoogleOptions, metadata: tuple[tuple[str, str], ...]
) -> Recognizer:
    """The one that `options.version` names."""
    kind = RecognizerV2 if options.version == "v2" else RecognizerV1
    return kind(channel, options, metadata)


class RecognizerV1:
    """`google.cloud.speech.v1`."""

    def __init__(self, channel: Any, options: GoogleOptions, metadata: tuple[tuple[str, str], ...]) -> None:
        self._speech = speech = import_vendor("google.cloud.speech_v1", extra="google")
        grpc = import_vendor("google.cloud.speech_v1.services.speech.transports.grpc_asyncio", extra="google")
        transport = grpc.SpeechGrpcAsyncIOTransport(channel=channel)
        self._client = speech.SpeechAsyncClient(transport=transport)
        self._model = options.model or "latest_long"
        self._metadata = metadata

    async def open(self) -> Any:
        return await _open(self._client, self._metadata)

    def configuration(self, languages: Sequence[str]) -> Any:
        speech = self._speech
        config = speech.StreamingRecognitionConfig(
            config=speech.RecognitionConfig(
                encoding="LINEAR16",
                sample_rate_hertz=STT_RATE_HZ,
                language_code=languages[0],
                alternative_language_codes=languages[1:MOST_LANGUAGES],
                model=self._model,
                enable_automatic_punctuation=True,
            ),
            interim_results=True,
        )
        return speech.StreamingRecognizeRequest(streaming_config=config)

    def audio(self, pcm: bytes) -> Any:
        return self._speech.StreamingRecognizeRequest(audio_content=pcm)

    def results(self, response: Any) -> list[Result]:
        return [_result(result, result.result_end_time) for result in response.results]


class RecognizerV2:
    """`google.cloud.speech.v2`, with the recogniser that every project has."""

    def __init__(self, channel: Any, options: GoogleOptions, metadata: tuple[tuple[str, str], ...]) -> None:
        self._speech = speech = import_vendor("google.cloud.speech_v2", extra="google")
        grpc = import_vendor("google.cloud.speech_v2.services.speech.transports.grpc_asyncio", extra="google")
        transport = grpc.SpeechGrpcAsyncIOTransport(channel=channel)
        self._client = speech.SpeechAsyncClient(transport=transport)
        self._model = options.model or "long"
        self._name = f"projects/{options.project}/locations/{options.region}/recognizers/_"
        # The SDK leaves out the header by which Google finds the region of a stream.
        self._metadata = (*metadata, ("x-goog-request-params", f"recognizer={self._name}"))

    async def open(self) -> Any:
        return await _open(self._client, self._metadata)

    def configuration(self, languages: Sequence[str]) -> Any:
        speech = self._speech
        config = speech.StreamingRecognitionConfig(
            config=speech.RecognitionConfig(
                explicit_decoding_config=speech.ExplicitDecodingConfig(
                    encoding="LINEAR16", sample_rate_hertz=STT_RATE_HZ, audio_channel_count=1
                ),
                language_codes=languages[:MOST_LANGUAGES],
                model=self._model,
                features=speech.RecognitionFeatures(enable_automatic_punctuation=True),
            ),
            streaming_features=speech.StreamingRecognitionFeatures(interim_results=True),
        )
        return speech.StreamingRecognizeRequest(recognizer=self._name, streaming_config=config)

    def audio(self, pcm: bytes) -> Any:
        return self._speech.StreamingRecognizeRequest(audio=pcm)

    def results(self, response: Any) -> list[Result]:
        return [_result(result, result.result_end_offset) for result in response.results]


async def _open(client: Any, metadata: tuple[tuple[str, str], ...]) -> Any:
    # Without retry=None the SDK tries for 5000 s on its own.
    return await client.streaming_recognize(
        requests=None, retry=None, timeout=CALL_TIMEOUT_S, metadata=metadata
    )


def _result(result: Any, end: Any) -> Result:
    best = result.alternatives[0] if result.alternatives else None
    return Result(
        text=best.transcript if best else "",
        is_final=result.is_final,
        end_ms=end.total_seconds() * 1000,
        confidence=best.confidence if best else 0.0,
        language=result.language_code or None,
    )
