"""The recordings that a caller sends whole, until they are heard."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from voice_server.audio.clip import decode_clip, is_silent
from voice_server.core.commands import TranscribeClip
from voice_server.core.events import Event, Transcribed, TranscriptionFailed
from voice_server.core.wire import Clip
from voice_server.errors import AudioError, LimitError, VoiceServerError
from voice_server.session.choice import Choice
from voice_server.session.ears import Ears, Spawn
from voice_server.session.formats import declared
from voice_server.session.limits import SessionLimits

log = structlog.get_logger()


class Recordings:
    """Each is kept, with the choice it came with, under a number of its own.

    Args:
        workers: decode.
    """

    def __init__(
        self,
        ears: Ears,
        emit: Callable[[Event], None],
        spawn: Spawn,
        workers: Executor,
        limits: SessionLimits,
    ) -> None:
        self._ears = ears
        self._emit = emit
        self._spawn = spawn
        self._workers = workers
        self._limits = limits
        self._kept: dict[int, tuple[Clip, Choice]] = {}
        self._waiting: set[int] = set()  # utterances that are being heard
        self._count = 0

    def keep(self, clip: Clip, choice: Choice) -> int:
        """Have it wait for its turn; gives its number.

        Raises:
            LimitError: too many wait.
        """
        if len(self._kept) + len(self._waiting) >= self._limits.clips_waiting:
            raise LimitError(
                f"{self._limits.clips_waiting} recordings wait to be heard already; this one is dropped.",
                code="too_many_clips",
            )
        self._count += 1
        self._kept[self._count] = (clip, choice)
        return self._count

    def choice_of(self, number: int) -> Choice:
        """What it came with, as long as it is kept."""
        return self._kept[number][1]

    def transcribe(self, command: TranscribeClip) -> None:
        """Have it heard; whatever is wrong with it is told to the conversation."""
        clip, choice = self._kept.pop(command.clip)
        self._waiting.add(command.utterance)
        self._spawn(self._transcribe(command, clip, choice), "clip")

    async def _transcribe(self, command: TranscribeClip, clip: Clip, choice: Choice) -> None:
        try:
            pcm = await asyncio.get_running_loop().run_in_executor(
                self._workers, decode_clip, clip.data, declared(clip), self._limits.utterance_s
            )
            if is_silent(pcm):
                self._emit(Transcribed(command.utterance, command.revision, ""))
            else:
                self._ears.hear_clip(command, pcm, choice)
        except VoiceServerError as error:
            self._emit(TranscriptionFailed(command.utterance, command.revision, error))
        except Exception as error:
            log.exception("clip decoding broke")
            broken = AudioError("The recording could not be read.")
            broken.__cause__ = error
            self._emit(TranscriptionFailed(command.utterance, command.revision, broken))

    def forget(self, utterance: int) -> None:
        """Its turn has begun, if it was a recording."""
        self._waiting.discard(utterance)
