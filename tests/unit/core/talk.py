"""Steps a conversation, and says in a word what it wishes."""

from typing import assert_never

from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core import wire
from voice_server.core.conversation import Conversation
from voice_server.core.history import History
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.wire import TurnMode
from voice_server.errors import ProviderError
from voice_server.ids import ConversationId, TurnId

VAD = TurnPolicy(TurnMode.VAD)
SEMANTIC = TurnPolicy(TurnMode.SEMANTIC)
MANUAL = TurnPolicy(TurnMode.MANUAL)
PATIENT = TurnPolicy(TurnMode.VAD, interrupt=False)

NO_STT = ProviderError("No transcript.", stage="stt")
NO_LLM = ProviderError("No answer.", stage="llm")
NO_TTS = ProviderError("No voice.", stage="tts")


class Talk:
    """A conversation, and everything it wished."""

    def __init__(
        self, policy: TurnPolicy = VAD, *, history: History | None = None, is_paced: bool = True
    ) -> None:
        self.state = Conversation("", ConversationId("c"), policy, history, is_paced=is_paced)
        self.now = 0.0
        self.commands: list[do.Command] = []

    def step(self, *events: on.Event, at: float | None = None) -> list[str]:
        """What these events lead to, in words."""
        if at is not None:
            self.now = at
        commands = [command for event in events for command in self.state.step(event, Instant(self.now))]
        self.commands += commands
        return [in_words(command) for command in commands]

    def type(self, text: str = "Hello", *, wants_audio: bool = True) -> list[str]:
        return self.step(on.TextReceived(text, ReplyOptions(wants_audio)))

    def speak(self, text: str = "Hello", start_ms: float = 0, end_ms: float = 1_000) -> list[str]:
        """A spoken turn from its first sound to the beginning of its reply."""
        words = self.step(on.SpeechStarted(start_ms), on.SpeechConfirmed(start_ms + 200))
        words += self.step(on.SpeechStopped(end_ms))
        assert (one := self.state.listening.open) is not None
        words += self.step(on.Transcribed(one.id, one.revision, text))
        return words + self.step(on.SilenceReached(end_ms + 10_000))

    def write(self, *texts: str, whole: bool = True) -> list[str]:
        words = self.step(*(on.ReplyWritten(self.generation, text) for text in texts))
        return words + (self.step(on.ReplyFinished(self.generation)) if whole else [])

    def sound(self, duration_ms: float, end_char: int, whole: bool = False) -> list[str]:
        chunk = on.AudioProduced(self.generation, b"", duration_ms, end_char, "", "wav", 24_000)
        return self.step(chunk) + (self.step(on.SpeechFinished(self.generation)) if whole else [])

    @property
    def generation(self) -> int:
        assert self.state.reply is not None
        return self.state.reply.generation

    @property
    def turn_id(self) -> TurnId:
        assert self.state.reply is not None
        return self.state.reply.turn_id

    @property
    def outputs(self) -> list[wire.Output]:
        return [command.output for command in self.commands if isinstance(command, do.Show)]

    @property
    def history(self) -> list[str]:
        return [f"{one.role}: {one.text}" for one in self.state.memory.history.messages]


def in_words(command: do.Command) -> str:
    match command:
        case do.Show(output):
            return _shown(output)
        case do.Record(_, entry):
            return f"record {_entry(entry)}"
        case do.EndTurn(turn_id):
            return f"end {_turn(turn_id)}"
        case do.OpenUtterance(utterance, from_ms):
            return f"open {utterance} from {from_ms:g}"
        case do.Settle(utterance, revision, score):
            return f"settle {utterance}.{revision}" + (" and score" if score else "")
        case do.WatchSilence(until_ms):
            return f"watch until {until_ms:g}"
        case do.CloseUtterance(utterance):
            return f"close {utterance}"
        case do.TranscribeClip(utterance, revision, clip):
            return f"transcribe clip {clip} as {utterance}.{revision}"
        case do.StartReply(generation, _, _, messages, is_draft=is_draft):
            prompt = "prompted" if messages is None else " | ".join(one.text for one in messages)
            return f"{'draft' if is_draft else 'reply'} {generation} to: {prompt}"
        case do.Speak(_, text, written):
            return f"speak {text!r}" + ("" if written else " unwritten")
        case do.FinishSpeech():
            return "speak no more"
        case do.ConfirmReply(generation):
            return f"confirm {generation}"
        case do.CancelReply(generation):
            return f"cancel {generation}"
        case do.Learn(pauses):
            return f"learn {pauses.lengths_ms[-1]:g}"
        case _:
            assert_never(command)


def _shown(output: wire.Output) -> str:
    match output:
        case wire.Status(status):
            return status.value
        case wire.SpeechStartedOut(at_ms):
            return f"started {at_ms:g}"
        case wire.SpeechStoppedOut(at_ms):
            return f"stopped {at_ms:g}"
        case wire.PartialOut(text):
            return f"partial {text!r}"
        case wire.TranscriptionOut(_, text):
            return f"transcription {text!r}"
        case wire.MessageChunk(chunk=chunk, is_final=is_final):
            return f"chunk {chunk!r}" + (" final" if is_final else "")
        case wire.AiResponse(text=text):
            return f"response {text!r}"
        case wire.AudioStart():
            return "audio begins"
        case wire.AudioOut(index=index, duration_ms=duration_ms):
            return f"audio {index} of {duration_ms:g}"
        case wire.AudioEnd(_, duration_ms, reason):
            return f"audio {reason.value} after {duration_ms:g}"
        case wire.Interrupted(_, heard_text, heard_ms, cause):
            return f"interrupted by {cause} at {heard_ms:g}: {heard_text!r}"
        case wire.OverlapOut(_, is_active):
            return "overlap" if is_active else "overlap over"
        case wire.ErrorOut(code=code, stage=stage, turn_id=turn_id):
            return f"error {stage} {code}" + (f" in {_turn(turn_id)}" if turn_id else "")
        case wire.ToolCall(_, call_id, name, arguments):
            return f"tool {name} {call_id} {arguments}"
        case _:
            raise AssertionError(f"the conversation never says {output}")


def _entry(entry: do.Entry) -> str:
    match entry:
        case do.UserSaid(message=message, spoken=spoken):
            return f"user {'said' if spoken else 'typed'} {message.text!r}"
        case do.AssistantWrote(message=message):
            return f"written {message.text!r}"
        case do.AssistantHeard(message=message, complete=complete):
            return f"heard {message.text!r}" + (" complete" if complete else "")
        case do.ServerSaid():
            return "server said"
        case do.Began() | do.TurnMeasured():
            raise AssertionError(f"the conversation never records {entry}")
        case _:
            assert_never(entry)


def _turn(turn_id: TurnId) -> str:
    return f"turn {int(turn_id.removeprefix('turn_'))}"
