"""Whatever comes, in whatever order: the rules of the wire hold, only what was heard is remembered."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.unit.core.talk import NO_LLM, NO_STT, NO_TTS
from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core import wire
from voice_server.core.conversation import Conversation
from voice_server.core.policy import ReplyOptions, TurnPolicy
from voice_server.core.replay import first_difference
from voice_server.core.tape import Beginning, Line, Step, Title, encode, read
from voice_server.core.wire import EndReason, TurnMode
from voice_server.ids import ConversationId, MessageId, TurnId

ids = st.integers(1, 8)
few = st.integers(0, 3)
said = st.sampled_from(["", "  ", "Hello there", "And then", "Uh-huh.", "one two three", "Thank you."])
written = st.sampled_from([" ", "Well, ", "one two ", "three.", ""])
policies = st.builds(
    TurnPolicy, st.sampled_from(TurnMode), st.just(500.0), st.booleans(), st.sampled_from([0, 2])
)
options = st.builds(ReplyOptions, st.booleans(), st.booleans())
scores = st.builds(on.EndOfTurnScored, ids, few, st.floats(0, 1))
compared = st.builds(on.VoiceCompared, st.just(0.0), st.floats(-1, 1), st.sampled_from([-50.0, -30.0, -10.0]))
guesses = scores | compared | st.builds(on.PartialTranscribed, ids, said)
generations = st.sampled_from([0, 0, 0, -1, 1])  # beside the present one


@dataclass(slots=True)
class Turn:
    """What the caller was told of one turn."""

    generation: int
    paced: bool
    text: str = ""
    is_text_final: bool = False
    has_response: bool = False
    is_audio_open: bool = False
    had_audio: bool = False
    chunks: int = 0
    sent_ms: float = 0.0
    has_error: bool = False
    is_cut: bool = False
    has_ended: bool = False
    reported: tuple[float, float] | None = None
    messages: set[MessageId] = field(default_factory=set)


class AnyOrder(RuleBasedStateMachine):
    """`step` stands for the driver: it does what is due, and judges every command."""

    @initialize(policy=policies, is_paced=st.booleans())
    def begin(self, policy: TurnPolicy, is_paced: bool) -> None:
        self.policy, self.is_paced = policy, is_paced
        self.state = self.fresh()
        self.now = 0.0
        self.heard_until_ms = 0.0
        self.replay: list[tuple[on.Event, float]] = []
        self.wished: list[do.Command] = []
        self.turns: dict[TurnId, Turn] = {}
        self.failed: set[TurnId] = set()  # turns that were told an error before their reply began
        self.may_finish_speech: set[int] = set()
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.status: wire.StatusKind | None = None
        self.drafted: dict[TurnId, do.StartReply] = {}
        self.latest_generation = 0

    def fresh(self) -> Conversation:
        return Conversation("", ConversationId("c"), self.policy, is_paced=self.is_paced)

    # ── The driver ───────────────────────────────────────────────────────────────────────────────

    def step(self, event: on.Event) -> None:
        wake_at = self.state.wake_at
        if wake_at is not None and wake_at <= self.now:
            self.step_at(on.Tick(), min(max(wake_at, self.replay[-1][1]), self.now))
            woken_at, next_at = self.replay[-1][1], self.state.wake_at
            assert next_at is None or next_at > woken_at, "or the alarm would ring without end"
        self.step_at(event, self.now)

    def step_at(self, event: on.Event, now: float) -> None:
        self.replay.append((event, now))
        commands = self.state.step(event, Instant(now))
        self.wished += commands
        for command in commands:
            self.judge(command, now)
        for turn in self.turns.values():
            assert not turn.is_cut or (turn.has_ended and not turn.is_audio_open)
        reply = self.state.reply
        for turn_id, turn in self.turns.items():
            is_under_way = reply is not None and reply.turn_id == turn_id
            assert turn.has_ended or is_under_way, "at most one reply is under way"
        self.judge_history()

    def judge(self, command: do.Command, now: float) -> None:
        match command:
            case do.StartReply(generation, turn_id, _, _, how):
                assert turn_id not in self.turns, "one reply a turn"
                assert generation > self.latest_generation
                self.latest_generation = generation
                if command.is_draft:
                    self.drafted[turn_id] = command
                else:
                    assert self.state.answering.draft is None, "a draft is dropped before a reply begins"
                    self.turns[turn_id] = Turn(generation, how.paced, has_error=turn_id in self.failed)
            case do.ConfirmReply(generation, turn_id):
                draft = self.drafted.pop(turn_id)
                assert draft.generation == generation == self.latest_generation
                assert draft.messages == self.state.memory.history.messages, "it answers what was said"
                self.turns[turn_id] = Turn(generation, draft.options.paced)
            case do.EndTurn(turn_id):
                turn = self.turns[turn_id]
                assert not turn.has_ended and not turn.is_audio_open
                assert turn.is_cut or turn.had_audio or turn.has_response or turn.has_error
                assert turn.has_response or not turn.text or turn.is_cut
                turn.has_ended = True
            case do.FinishSpeech(generation):
                self.may_finish_speech.add(generation)
            case do.OpenUtterance(utterance):
                assert utterance not in self.opened
                self.opened.append(utterance)
            case do.CloseUtterance(utterance):
                assert utterance not in self.closed
                self.closed.append(utterance)
            case do.Show(output):
                self.judge_output(output, now)
            case _:
                pass

    def judge_output(self, output: wire.Output, now: float) -> None:
        match output:
            case wire.Status(status):
                assert status is not self.status
                self.status = status
            case wire.TranscriptionOut(turn_id):
                assert turn_id not in self.turns
            case wire.MessageChunk(turn_id, _, message_id, chunk, is_final):
                turn = self.going_on(turn_id)
                assert not turn.is_text_final and not turn.has_response
                turn.text += chunk
                turn.is_text_final = is_final
                turn.messages.add(message_id)
                assert len(turn.messages) == 1
            case wire.AiResponse(turn_id, _, message_id, text):
                turn = self.going_on(turn_id)
                assert turn.is_text_final and not turn.has_response and text == turn.text
                turn.has_response = True
            case wire.AudioStart(turn_id):
                turn = self.going_on(turn_id)
                assert not turn.had_audio
                turn.is_audio_open = turn.had_audio = True
            case wire.AudioOut(turn_id, _, index, duration_ms):
                turn = self.going_on(turn_id)
                assert turn.is_audio_open and index == turn.chunks
                turn.chunks, turn.sent_ms = turn.chunks + 1, turn.sent_ms + duration_ms
            case wire.AudioEnd(turn_id, duration_ms, reason):
                turn = self.turns[turn_id]
                assert turn.is_audio_open and duration_ms == turn.sent_ms
                assert (reason is EndReason.INTERRUPTED) == turn.is_cut
                turn.is_audio_open = False
            case wire.Interrupted(turn_id, heard_text, heard_ms):
                turn = self.turns[turn_id]
                assert not turn.is_cut and turn.text.startswith(heard_text)
                assert turn.paced or not turn.has_ended
                assert 0 <= heard_ms <= turn.sent_ms
                if turn.reported is not None:
                    played_ms, at = turn.reported
                    assert heard_ms <= played_ms + now - at + 1e-6
                turn.is_cut = True
            case wire.ErrorOut(turn_id=turn_id):
                if turn_id in self.turns:
                    self.turns[turn_id].has_error = True
                elif turn_id is not None:
                    self.failed.add(turn_id)
            case wire.ToolCall(turn_id):
                self.going_on(turn_id)
            case _:
                pass

    def going_on(self, turn_id: TurnId) -> Turn:
        turn = self.turns[turn_id]
        assert not turn.is_cut and not turn.has_ended
        return turn

    def judge_history(self) -> None:
        texts = {message: turn.text for turn in self.turns.values() for message in turn.messages}
        messages = self.state.memory.history.messages
        assert len({one.id for one in messages}) == len(messages)
        for before, one in zip((None, *messages), messages, strict=False):
            assert one.text
            if one.role == "assistant":
                assert texts[one.id].startswith(one.text)
                assert before is None or before.role == "user" or self.was_prompted(one.id)

    def was_prompted(self, message_id: MessageId) -> bool:
        text = next(turn.text for turn in self.turns.values() if message_id in turn.messages)
        return any(event.text == text for event, _ in self.replay if isinstance(event, on.Prompted))

    # ── What may happen ──────────────────────────────────────────────────────────────────────────

    @rule(milliseconds=st.sampled_from([1, 90, 400, 1_100, 5_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(kind=st.sampled_from([on.SpeechStarted, on.SpeechStopped, on.SilenceReached]))
    def voice(self, kind: type[on.SpeechStarted | on.SpeechStopped | on.SilenceReached]) -> None:
        self.heard_until_ms += 700
        self.step(kind(self.heard_until_ms))

    @rule(level_dbfs=st.sampled_from([None, -45.0, -25.0, -15.0]))
    def voice_is_confirmed(self, level_dbfs: float | None) -> None:
        self.step(on.SpeechConfirmed(self.heard_until_ms, level_dbfs))

    @rule(text=said, pause_ms=st.sampled_from([300, 900]))
    def says(self, text: str, pause_ms: int) -> None:
        """The beginning of a turn that may be answered early, or of a pause."""
        self.voice(on.SpeechStarted)
        self.voice(on.SpeechStopped)
        if (one := self.state.listening.open) is not None:
            self.now += pause_ms
            self.step(on.Transcribed(one.id, one.revision, text))

    @rule(
        kind=st.sampled_from([on.UtteranceFull, on.InputBegan, on.StreamClosed, on.Committed]),
    )
    def microphone(
        self, kind: type[on.UtteranceFull | on.InputBegan | on.StreamClosed | on.Committed]
    ) -> None:
        self.step(kind(self.heard_until_ms))

    @rule(event=st.sampled_from([on.StreamOpened(), on.Cleared(), on.StopRequested(), on.Tick()]))
    def simple(self, event: on.Event) -> None:
        self.step(event)

    @rule(event=guesses)
    def guess(self, event: on.Event) -> None:
        self.step(event)

    @rule(utterance=ids, revision=few, text=said)
    def any_transcript(self, utterance: int, revision: int, text: str) -> None:
        self.step(on.Transcribed(utterance, revision, text))

    @precondition(lambda self: self.state.listening.open or self.state.listening.waiting)
    @rule(text=said, fails=st.booleans())
    def transcript(self, text: str, fails: bool) -> None:
        one = self.state.listening.waiting[0] if self.state.listening.waiting else self.state.listening.open
        assert one is not None
        if fails:
            self.step(on.TranscriptionFailed(one.id, one.revision, NO_STT))
        else:
            self.step(on.Transcribed(one.id, one.revision, text))

    @rule(how=options, text=st.sampled_from(["Hello", "What?"]))
    def types(self, how: ReplyOptions, text: str) -> None:
        self.step(on.TextReceived(text, how))

    @rule(clip=ids)
    def sends_a_recording(self, clip: int) -> None:
        self.step(on.ClipReceived(clip, ReplyOptions(paced=False)))

    @rule()
    def is_greeted(self) -> None:
        self.step(on.Prompted("Good day."))

    @rule(number=ids, played_ms=st.integers(-100, 9_000), current=st.booleans(), paused=st.booleans())
    def reports(self, number: int, played_ms: int, current: bool, paused: bool) -> None:
        turn_ids = list(self.turns)
        if not turn_ids:
            self.step(on.PlaybackReported("turn_unheard_of", played_ms))
            return
        turn_id = turn_ids[-1] if current else turn_ids[number % len(turn_ids)]
        turn = self.turns[turn_id]
        self.step(on.PlaybackReported(turn_id, played_ms, is_paused=paused))
        if self.state.reply and self.state.reply.turn_id == turn_id:
            turn.reported = (max(played_ms, 0.0), self.now)

    @rule(policy=policies)
    def policy_changes(self, policy: TurnPolicy) -> None:
        self.step(on.PolicyChanged(policy))

    @rule()
    def conversation_changes(self) -> None:
        self.step(on.ConversationChanged(ConversationId(f"c{len(self.replay)}"), ()))

    @rule()
    def drops(self) -> None:
        self.step(on.Detached(self.heard_until_ms))

    @rule(unreceived_ms=st.integers(0, 3_000))
    def comes_back(self, unreceived_ms: int) -> None:
        self.step(on.Attached(unreceived_ms))

    @rule(text=written, stale=generations)
    def mind_writes(self, text: str, stale: int) -> None:
        self.step(on.ReplyWritten(self.generation + stale, text))

    @rule(stale=st.sampled_from([0, 0, -1]), outcome=st.sampled_from(["finished", "failed", "tool", "slow"]))
    def mind_ends(self, stale: int, outcome: str) -> None:
        generation = self.generation + stale
        match outcome:
            case "finished":
                self.step(on.ReplyFinished(generation))
            case "failed":
                self.step(on.ReplyFailed(generation, NO_LLM))
            case "slow":
                self.step(on.ToolsSlow(generation, "One moment."))
            case _:
                self.step(on.ToolCalled(generation, "c", "clock", "{}"))

    @rule(
        duration_ms=st.integers(1, 1_500),
        end_char=st.integers(0, 40),
        stale=generations,
    )
    def mouth_speaks(self, duration_ms: int, end_char: int, stale: int) -> None:
        generation = self.generation + stale
        self.step(on.AudioProduced(generation, b"", duration_ms, end_char, "", "wav", 24_000))

    @rule(text=st.sampled_from(["Yes.", "one two three"]), duration_ms=st.integers(1, 3_000))
    def all_goes_well(self, text: str, duration_ms: int) -> None:
        generation = self.generation
        self.step(on.ReplyWritten(generation, text))
        self.step(on.ReplyFinished(generation))
        self.step(on.AudioProduced(generation, b"", duration_ms, len(text), "", "wav", 24_000))
        if generation in self.may_finish_speech:
            self.step(on.SpeechFinished(generation))

    @rule(stale=st.sampled_from([0, 0, -1]), fails=st.booleans())
    def mouth_ends(self, stale: int, fails: bool) -> None:
        generation = self.generation + stale
        if fails:
            self.step(on.SpeechFailed(generation, NO_TTS))
        elif generation in self.may_finish_speech:
            self.step(on.SpeechFinished(generation))

    @property
    def generation(self) -> int:
        return self.latest_generation

    # ── In the end ───────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        if not hasattr(self, "state"):
            return
        self.step(on.Attached(0))
        self.step(on.StreamClosed(self.heard_until_ms))
        while self.state.reply or self.state.listening.waiting:
            if self.state.reply:
                generation = self.state.reply.generation
                self.step(on.ReplyFinished(generation))
                if generation in self.may_finish_speech:
                    self.step(on.SpeechFinished(generation))
                self.now = max(self.now, self.state.wake_at or self.now)
                self.step(on.Tick())
            else:
                one = self.state.listening.waiting[0]
                self.step(on.Transcribed(one.id, one.revision, "Bye"))
        assert all(turn.has_ended and not turn.is_audio_open for turn in self.turns.values())
        assert set(self.closed) >= set(self.opened)
        assert self.status in (None, wire.StatusKind.LISTENING)
        assert self.state.answering.draft is None
        again = self.fresh()
        wished = [again.step(event, Instant(now)) for event, now in self.replay]
        assert [one for each in wished for one in each] == self.wished
        self.judge_recording(wished)

    def judge_recording(self, wished: Sequence[Sequence[do.Command]]) -> None:
        """Written down and read again, it is the same conversation."""
        beginning = Beginning("", ConversationId("c"), self.policy, is_paced=self.is_paced)
        steps = zip(self.replay, wished, strict=True)
        lines: list[Line] = [
            Title("", "", "", beginning),
            *(Step(Instant(at), event, wishes) for (event, at), wishes in steps),
        ]
        assert first_difference(read(encode(line) for line in lines)) is None


AnyOrder.TestCase.settings = settings(max_examples=120, stateful_step_count=60)
TestAnyOrder = pytest.mark.unit(AnyOrder.TestCase)
