"""What the caller says, each to whom it concerns."""

from collections.abc import Awaitable, Callable
from typing import assert_never

from voice_server.core import events as on
from voice_server.core import wire
from voice_server.core.policy import ReplyOptions
from voice_server.errors import ProtocolError
from voice_server.session.microphone import Microphone
from voice_server.session.recordings import Recordings
from voice_server.session.replying import Replying
from voice_server.session.telling import Telling
from voice_server.session.terms import Terms
from voice_server.tools.base import ToolOutcome


class Intake:
    """Takes everything but live audio, which the microphone takes.

    Args:
        is_paced: whether replies are.
        join: goes on in the conversation of this id.
        configured: the terms are others, by the caller's own wish.
        end: ends the session, with the reason.
    """

    def __init__(
        self,
        emit: Callable[[on.Event], None],
        terms: Terms,
        microphone: Microphone,
        recordings: Recordings,
        replying: Replying,
        telling: Telling,
        is_paced: bool,
        join: Callable[[str], Awaitable[None]],
        configured: Callable[[], None],
        end: Callable[[str], None],
    ) -> None:
        self._emit = emit
        self._terms = terms
        self._microphone = microphone
        self._recordings = recordings
        self._replying = replying
        self._telling = telling
        self._is_paced = is_paced
        self._join = join
        self._configured = configured
        self._end = end

    async def take(self, message: wire.Input) -> None:
        """Take one message.

        Raises:
            VoiceServerError: what was wrong with it; the session goes on.
        """
        match message:
            case wire.StreamStart(changes):
                form = self._terms.take_input(changes)
                self._microphone.open(self._terms.choice, form)
            case wire.AudioIn(data):
                self._microphone.push(data)
            case wire.StreamEnd():
                self._microphone.close()
            case wire.AudioCommit():
                self._microphone.commit()
            case wire.AudioClear():
                self._microphone.clear()
            case wire.Clip():
                await self._take_clip(message)
            case wire.TextIn():
                await self._take_text(message)
            case wire.Stop():
                self._emit(on.StopRequested())
            case wire.Playback(turn_id, played_ms, is_paused):
                self._emit(on.PlaybackReported(turn_id, played_ms, is_paused))
            case wire.ToolResult(call_id, output, is_error):
                self._replying.deliver(call_id, ToolOutcome(output, is_error))
            case wire.Configure(changes):
                await self._terms.configure(changes)
                self._configured()
            case wire.Ping(timestamp):
                self._telling.show(wire.Pong(timestamp))
            case wire.End():
                self._end("ended")
            case wire.Init():
                raise ProtocolError(
                    "The session is already initialised; use 'configure'.", code="already_initialised"
                )
            case _:
                assert_never(message)

    async def _take_clip(self, clip: wire.Clip) -> None:
        if clip.conversation_id is not None:
            await self._join(clip.conversation_id)
        number = self._recordings.keep(clip, self._terms.of_recording(clip.changes))
        self._emit(on.ClipReceived(number, ReplyOptions(paced=False)))

    async def _take_text(self, text: wire.TextIn) -> None:
        self._terms.check(wire.Changes(model=text.model))
        if text.conversation_id is not None:
            await self._join(text.conversation_id)
        options = ReplyOptions(
            text.wants_audio, self._is_paced, text.model, text.temperature, text.max_tokens
        )
        self._emit(on.TextReceived(text.text, options))
