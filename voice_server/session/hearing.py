"""One utterance on its way through speech-to-text."""

from collections.abc import Callable

import structlog

from voice_server.core.events import Event, PartialTranscribed, Transcribed, TranscriptionFailed
from voice_server.errors import ProviderError, VoiceServerError
from voice_server.providers.base import FinalHeard, PartialHeard, SpeechToText, SttHints, SttStream

log = structlog.get_logger()


class Hearing:
    """Feeds a speech-to-text stream and tells what it makes of it.

    Audio may come before the provider is ready: it waits here. Each `settle` is answered by a `Transcribed`
    or a `TranscriptionFailed` of its revision, unless a later one overtakes it.
    """

    def __init__(
        self,
        utterance: int,
        stt: SpeechToText,
        hints: SttHints,
        emit: Callable[[Event], None],
        serve: Callable[[str, str], None],
    ) -> None:
        self._utterance = utterance
        self._stt = stt
        self._hints = hints
        self._emit = emit
        self._serve = serve
        self._stream: SttStream | None = None
        self._backlog = bytearray()
        self._revision: int | None = None  # the settle that waits for an answer
        self._failure: VoiceServerError | None = None

    def push(self, pcm: bytes) -> None:
        """More audio."""
        if self._stream is None:
            self._backlog += pcm
        else:
            self._stream.push(pcm)

    def settle(self, revision: int) -> None:
        """The user may have finished: a transcript of everything so far is wanted."""
        self._revision = revision
        if self._failure is not None:
            self._fail(self._failure)
        elif self._stream is not None:
            self._flush()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._stt.warm()
            async with self._stt.open(self._hints) as stream:
                self._stream = stream
                stream.push(bytes(self._backlog))
                self._backlog.clear()
                if self._revision is not None:
                    self._flush()
                async for heard in stream:
                    self._tell(heard)
                self._fail(ProviderError("Speech recognition ended too early.", stage="stt"))
        except VoiceServerError as error:
            self._fail(error)
        except Exception as error:
            log.exception("speech-to-text broke", provider=self._stt.name)
            self._fail(_broken(error))
        finally:
            self._stream = None

    def _flush(self) -> None:
        assert self._stream is not None and self._revision is not None
        self._stream.flush(self._revision)

    def _tell(self, heard: PartialHeard | FinalHeard) -> None:
        match heard:
            case PartialHeard(text, steady):
                self._emit(PartialTranscribed(self._utterance, text, steady))
            case FinalHeard(transcript, mark, provider) if mark == self._revision:
                self._revision = None
                if provider is not None:
                    self._serve("stt", provider)
                self._emit(
                    Transcribed(
                        self._utterance, mark, transcript.text, transcript.language, transcript.confidence
                    )
                )
            case _:
                pass  # overtaken by a later settle

    def _fail(self, error: VoiceServerError) -> None:
        self._failure = error
        if self._revision is not None:
            revision, self._revision = self._revision, None
            self._emit(TranscriptionFailed(self._utterance, revision, error))


def _broken(error: Exception) -> ProviderError:
    broken = ProviderError("Speech recognition failed.", stage="stt")
    broken.__cause__ = error
    return broken
