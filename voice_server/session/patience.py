"""The patience of a caller who waits: when it is tried, and what is said to it."""

from collections.abc import Callable
from typing import assert_never

from voice_server.core.conversation import Conversation
from voice_server.core.sentences import Sentence
from voice_server.core.wire import ErrorOut, Output
from voice_server.errors import Stage
from voice_server.ids import TurnId
from voice_server.session.replying import Replying
from voice_server.session.silence import Lull


class Patience:
    """One caller's."""

    def __init__(
        self, conversation: Conversation, replying: Replying, show: Callable[[Output], None]
    ) -> None:
        self._conversation = conversation
        self._replying = replying
        self._show = show

    @property
    def is_tried(self) -> bool:
        """Whether the caller waits for sound: something is being worked on, and they are there."""
        reply = self._conversation.reply
        if reply is None:
            return bool(self._conversation.listening.waiting)
        return reply.is_audio_wanted and not reply.has_turn_ended and not reply.playout.is_paused

    def break_silence(self, lull: Lull, is_bridged: bool) -> None:
        """Say something: by heart, else, of slow tools, in the reply's voice, else by an error."""
        reply = self._conversation.reply
        wait = Sentence.STILL_WORKING if is_bridged else Sentence.ONE_MOMENT
        match lull:
            case Lull.EARLY:
                if reply is not None:
                    self._replying.say(Sentence.FILLER)
            case Lull.TOOLS:
                self._replying.bridge(wait)
            case Lull.LONG if reply is None:
                self._show(_slow("stt"))
            case Lull.LONG:
                if self._replying.say(wait):
                    return
                if is_bridged and reply.options.paced:
                    self._replying.bridge(wait)
                else:
                    self._show(_slow("internal", reply.turn_id))
            case _:
                assert_never(lull)


def _slow(stage: Stage, turn_id: TurnId | None = None) -> ErrorOut:
    sentence = "This takes longer than usual; it is still being worked on."
    return ErrorOut("slow", sentence, retryable=False, stage=stage, turn_id=turn_id)
