"""Animates the conversation for one caller.

Facts from the caller, the ears, the mind and the mouth enter at `_emit`, one after the other, so that their
order is total; the conversation's commands are carried out at once, in order, all on the event loop. A
session outlives its connection: it speaks into its outbox, and whoever is attached reads from there.
"""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, assert_never

import structlog

from voice_server.audio.clip import decode_clip, is_silent
from voice_server.audio.format import InputEncoding, InputFormat
from voice_server.clock import Instant
from voice_server.core import commands as do
from voice_server.core import events as on
from voice_server.core import wire
from voice_server.core.caller import Caller
from voice_server.core.conversation import Conversation
from voice_server.core.history import History
from voice_server.core.journal import Remembered
from voice_server.core.policy import ReplyOptions
from voice_server.core.sentences import Sentence, sentences_in
from voice_server.core.usage import Standing
from voice_server.core.utterance import Source
from voice_server.errors import AudioError, NotFoundError, ProtocolError, VoiceServerError
from voice_server.ids import ConversationId, SessionId, new_token
from voice_server.providers.base import Provider
from voice_server.providers.metered import Bill
from voice_server.session.choice import Choice, Chooser, changed_input
from voice_server.session.ears import Ears
from voice_server.session.equipment import Equipment
from voice_server.session.gate import Gate
from voice_server.session.lifetime import Lifetime
from voice_server.session.metering import metered
from voice_server.session.outbox import Outbox, audio_ms
from voice_server.session.prompts import own_prompt, replacing, with_own_prompt, with_prompt
from voice_server.session.replying import Replying
from voice_server.session.silence import SilenceWatch
from voice_server.session.timeline import Timelines
from voice_server.tools.base import ToolOutcome

log = structlog.get_logger()


_HURRY_MS = 200.0  # ahead of real time; less is the network's doing


class Attachment(Protocol):
    """The connection that reads a session's outbox."""

    def close_soon(self, code: int, reason: str) -> None:
        """Another connection takes over, or the session is over."""
        ...


class Session:
    """One caller's session. `run` is its life; everything else is called from the event loop meanwhile."""

    def __init__(
        self,
        session_id: SessionId,
        caller: Caller,
        equipment: Equipment,
        init: wire.Init,
        remembered: Remembered,
        *,
        is_paced: bool = True,
        acknowledge: bool = True,
    ) -> None:
        self.id = session_id
        self.caller = caller
        self.user_id = caller.user_id or init.user_id or caller.owner
        self.began_at = equipment.clock.utc()
        self.turns = 0
        self._has_warned_of_budget = False
        self.resume_token = new_token()
        self._equipment = equipment
        self._limits, self._clock = equipment.limits, equipment.clock
        self._bill = Bill(equipment.meter, caller)
        catalogue, default = metered(equipment.catalogue, equipment.default, self._bill)
        self._chooser = Chooser(
            catalogue,
            partial(equipment.tools.offered_to, caller),
            caller.grant.fixed if caller.grant else None,
        )
        self._choice = self._chosen(default, remembered.wishes, init.changes)
        self._own = own_prompt(equipment.default.system_prompt, init.changes)
        self._greeting = init.greeting
        self._is_paced = is_paced
        self.outbox = Outbox(self._clock, self._limits.replay_bytes, self._limits.replay_ms)
        self._gate = Gate(self._put)
        self._remembered = remembered
        self._recorded: Awaitable[None] | None = None  # the last thing said that the caller will be told
        self._conversation = Conversation(
            session_id.removeprefix("sess_"),
            remembered.id,
            self._choice.policy,
            History(tuple(remembered.messages)),
            pauses=equipment.habits.pauses(caller.owner, self.user_id),
            is_paced=is_paced,
            language=self._choice.language,
        )
        self._pending: deque[on.Event] = deque()
        self._is_stepping = False
        self._wake: asyncio.TimerHandle | None = None
        self._clips: dict[int, tuple[wire.Clip, Choice]] = {}
        self._choices: dict[int, Choice] = {}  # by utterance, where it is not the session's own
        self._clip_count = 0
        self._has_refused_audio = False
        self._input_due = Instant(0.0)  # when the input received so far has passed in real time
        self._attachment: Attachment | None = None
        self._detached_at: Instant | None = self._clock.now()
        longest_ms = caller.grant.longest_ms if caller.grant else None
        self._lifetime = Lifetime(self._clock, self._limits, self._show, self.end, longest_ms)
        self._over = asyncio.Event()
        self.end_reason = "ended"
        self._tasks: asyncio.TaskGroup | None = None
        self._live: set[asyncio.Task[None]] = set()
        self._ears = Ears(
            self._emit,
            self._spawn,
            self._clock,
            equipment.vad,
            equipment.score,
            equipment.limits,
            self._serve,
            equipment.suppress,
        )
        self._replying = Replying(
            self._emit,
            self._spawn,
            self._ahead_ms,
            self._limits.output_ahead_ms,
            equipment.deadlines,
            self._serve,
            equipment.phrases,
            equipment.tools,
            self._limits.tool_bridge_ms,
        )
        self._silence = SilenceWatch(self._clock, equipment.deadlines, self._break_silence)
        self._timelines = Timelines(self._clock, self._ears.moment_of)
        self._begin(remembered)
        if acknowledge:
            self.outbox.put(self.acknowledgement())

    # ── Its life ─────────────────────────────────────────────────────────────────────────────────

    @property
    def conversation_id(self) -> ConversationId:
        """The conversation it is in."""
        return self._conversation.conversation_id

    @property
    def state(self) -> str:
        """What it is doing, in a word."""
        return (self._conversation.status or wire.StatusKind.READY).value

    @property
    def is_connected(self) -> bool:
        """Whether somebody is there; else it waits to be resumed."""
        return self._attachment is not None

    @property
    def config(self) -> dict[str, Any]:
        """The settings in force, as the caller is told."""
        return self._choice.described()

    @property
    def is_over(self) -> bool:
        """Whether it has ended or is about to."""
        return self._over.is_set()

    @property
    def is_replying(self) -> bool:
        """Whether a turn is under way and somebody is there to hear it."""
        is_busy = self._conversation.reply is not None or bool(self._conversation.listening.waiting)
        return is_busy and self._attachment is not None

    async def run(self, started: asyncio.Event | None = None) -> None:
        """Live until ended, idle for too long, too old, or left alone for too long."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._spawn(self._await_warm(await self._start_warming()), "warm")
            self._spawn(self._lifetime.watch(), "age")
            self._report_missing(self._remembered)
            if started is not None:
                started.set()
            await self._over.wait()
            await self._gate.empty()
            self._shut_down()

    def end(self, reason: str) -> None:
        """End it: the caller is told why, what is under way is dropped."""
        if not self._over.is_set():
            self.end_reason = reason
            self._over.set()

    def _shut_down(self) -> None:
        for task in self._live:
            task.cancel()
        self._ears.close()
        self._silence.close()
        if self._wake is not None:
            self._wake.cancel()
        self.outbox.put(wire.SessionEnded(self.end_reason))
        self.outbox.close()

    async def _start_warming(self) -> list[asyncio.Future[None]]:
        """Have the providers get ready; the caller is told at once if that takes time."""
        providers: list[Provider] = [self._choice.stt, self._choice.llm, self._choice.tts]
        waits: list[asyncio.Future[None]] = [asyncio.ensure_future(one.warm()) for one in providers]
        await asyncio.wait(waits, timeout=0)
        if not all(one.done() for one in waits):
            self._show(wire.Status(wire.StatusKind.WARMING))
        return waits

    async def _await_warm(self, waits: list[asyncio.Future[None]]) -> None:
        """Tell when they are ready, and greet."""
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, VoiceServerError):
                self.report(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
        if not any(outcomes):
            self._show(wire.Status(wire.StatusKind.READY))
            if self._conversation.status is not None:  # it has begun already
                self._show(wire.Status(self._conversation.status))
        if self._greeting:
            self._emit(on.Prompted(self._greeting))
        await self._learn_sentences(self._choice)

    async def _learn_sentences(self, choice: Choice) -> None:
        """Have what may have to be said ready in this voice."""
        if self._equipment.phrases is not None:
            await self._equipment.phrases.learn(
                choice.tts, choice.spoken_voice, sentences_in(choice.language)
            )

    # ── Its connection ───────────────────────────────────────────────────────────────────────────

    def attach(self, attachment: Attachment) -> None:
        """A first connection is there."""
        self._attachment, self._detached_at = attachment, None

    def acknowledgement(self, *, resumed: bool = False) -> wire.InitAck:
        """The session as it is in force, with the token for the next resume."""
        return wire.InitAck(
            self.user_id, self.conversation_id, self.id, self.config, self.resume_token, resumed
        )

    def can_resume(self, resume: wire.Resume) -> bool:
        """Whether this wish to go on can be granted in full."""
        return (
            not self.is_over
            and secrets.compare_digest(resume.token.encode(), self.resume_token.encode())
            and self.outbox.holds_after(resume.last_seq)
        )

    def resume(self, attachment: Attachment, last_seq: int) -> None:
        """Another connection takes over; it is sent everything after `last_seq`."""
        if self._attachment is not None:
            old = self._attachment
            self.detach(old)
            old.close_soon(1001, "taken over by another connection")
        self.resume_token = new_token()
        unreceived = self.outbox.after(last_seq)
        self.outbox.rewind(last_seq)
        self._attachment, self._detached_at = attachment, None
        self._lifetime.sign()
        self._emit(on.Attached(audio_ms(unreceived)))

    def detach(self, attachment: Attachment) -> None:
        """The connection dropped; the session waits for another."""
        if self._attachment is not attachment or self.is_over:
            return
        self._attachment, self._detached_at = None, self._clock.now()
        self._ears.close_stream()
        self._emit(on.Detached(self._ears.position_ms))
        self._spawn(self._leave_alone(), "resume window")

    async def _leave_alone(self) -> None:
        since = self._detached_at
        await asyncio.sleep(self._limits.resume_window_ms / 1000)
        if since is not None and self._detached_at == since:
            self.end("disconnected")

    # ── What the caller says ─────────────────────────────────────────────────────────────────────

    async def receive(self, message: wire.Input) -> None:
        """Take what the caller says; waits when input comes faster than it can pass.

        Raises:
            VoiceServerError: what was wrong with it; the session goes on.
        """
        if self.is_over:
            return
        if isinstance(message, wire.AudioIn):
            if wait_ms := self.hear(message.data):
                await asyncio.sleep(wait_ms / 1000)
            return
        self._lifetime.sign()
        match message:
            case wire.StreamStart(changes):
                form = changed_input(self._choice.input, changes)
                self._choice = replace(self._choice, input=form)
                self._close_stream()
                self._has_refused_audio, self._input_due = False, self._clock.now()
                self._ears.open_stream(self._choice, form)
                self._emit(on.StreamOpened())
            case wire.StreamEnd():
                self._close_stream()
            case wire.AudioCommit():
                self._emit(on.Committed(self._ears.position_ms))
            case wire.AudioClear():
                self._ears.forget()
                self._emit(on.Cleared())
            case wire.Clip():
                await self._take_clip(message)
            case wire.TextIn():
                await self._take_text(message)
            case wire.Stop():
                self._emit(on.StopRequested())
            case wire.Playback(turn_id, played_ms):
                self._emit(on.PlaybackReported(turn_id, played_ms))
            case wire.ToolResult(call_id, output, is_error):
                self._replying.deliver(call_id, ToolOutcome(output, is_error))
            case wire.Configure(changes):
                changes = await with_prompt(changes, self._equipment.templates, self.caller.owner)
                await self.change(changes)
                self._own = replacing(self._own, changes)
                self._show(wire.Configured(self.config))
                self._spawn(self._learn_sentences(self._choice), "sentences")
            case wire.Ping(timestamp):
                self._show(wire.Pong(timestamp))
            case wire.End():
                self.end("ended")
            case wire.Init():
                raise ProtocolError(
                    "The session is already initialised; use 'configure'.", code="already_initialised"
                )
            case _:
                assert_never(message)

    async def change(self, changes: wire.Changes) -> None:
        """Go on with these changes from the next turn.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        changes = await with_prompt(changes, self._equipment.templates, self.caller.owner)
        self._choice = self._chooser.apply(self._choice, changes)
        self._ears.use(self._choice)
        self._emit(on.PolicyChanged(self._choice.policy, self._choice.language))

    def _chosen(self, default: Choice, *wishes: wire.Changes) -> Choice:
        """The default with one wish granted after the other, and all that is to be told of them."""
        choice = default
        notes: tuple[str, ...] = ()
        for wish in wishes:
            choice = self._chooser.apply(choice, wish)
            notes += choice.notes
        return replace(choice, notes=notes)

    @property
    def is_listening(self) -> bool:
        """Whether live audio may be taken without asking it to slow down."""
        return self._ears.is_open and self._input_due - self._clock.now() < _HURRY_MS

    def hear(self, data: bytes) -> float:
        """Take live audio; gives for how many milliseconds no more of it shall be read.

        Raises:
            VoiceServerError: what was wrong with it; the session goes on.
        """
        if self.is_over:
            return 0.0
        self._lifetime.sign()
        if not self._ears.is_open:
            if not self._has_refused_audio:
                self._has_refused_audio = True
                raise ProtocolError(
                    "Audio came while no input stream is open; send 'audio_stream_start' first.",
                    code="no_stream",
                )
            return 0.0
        passed_ms = self._ears.push(data)
        now = self._clock.now()
        self._input_due = Instant(max(self._input_due, now) + passed_ms)
        excess_ms = self._input_due - now - self._limits.input_ahead_ms
        return excess_ms if excess_ms > 0 and self._choice.policy.mode is not wire.TurnMode.MANUAL else 0.0

    def _close_stream(self) -> None:
        if self._ears.is_open:
            self._ears.close_stream()
            self._emit(on.StreamClosed(self._ears.position_ms))

    async def _take_clip(self, clip: wire.Clip) -> None:
        await self._join(clip.conversation_id)
        # Some clients name a language in each recording, asked or not: none is lost for that.
        choice = self._chooser.apply(self._choice, clip.changes, refuses_languages=False)
        self._clip_count += 1
        self._clips[self._clip_count] = (clip, choice)
        self._emit(on.ClipReceived(self._clip_count, ReplyOptions(paced=False)))

    async def _take_text(self, text: wire.TextIn) -> None:
        self._chooser.apply(self._choice, wire.Changes(model=text.model))
        await self._join(text.conversation_id)
        options = ReplyOptions(
            text.wants_audio, self._is_paced, text.model, text.temperature, text.max_tokens
        )
        self._emit(on.TextReceived(text.text, options))

    async def _join(self, wished: str | None) -> None:
        if wished is None or wished == self.conversation_id:
            return
        joined = await self._equipment.journal.open(self.caller.owner, wished, self.caller.user_id)
        self._begin(joined)
        wishes = await with_own_prompt(joined.wishes, self._equipment.templates, self.caller.owner)
        await self.change(replacing(self._own, wishes))
        self._emit(on.ConversationChanged(joined.id, joined.messages))
        self._report_missing(joined)

    def _begin(self, remembered: Remembered) -> None:
        if remembered.is_new:
            self._record(remembered.id, do.Began(self.user_id))

    def _report_missing(self, remembered: Remembered) -> None:
        if remembered.trouble is not None:
            self.report(remembered.trouble)
        elif remembered.is_unknown:
            self.report(_unknown_conversation())

    # ── The conversation ─────────────────────────────────────────────────────────────────────────

    def _emit(self, event: on.Event) -> None:
        """Give the conversation a fact and do what it wishes. Facts that arise meanwhile wait their turn."""
        self._pending.append(event)
        if self._is_stepping or self.is_over:
            return
        self._is_stepping = True
        try:
            while self._pending:
                for command in self._conversation.step(self._pending.popleft(), self._clock.now()):
                    self._carry_out(command)
        finally:
            self._is_stepping = False
        self._silence.watch(self._is_waited_for)
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if (wake_at := self._conversation.wake_at) is not None:
            wait_ms = max(wake_at - self._clock.now(), 0.0)
            self._wake = asyncio.get_running_loop().call_later(wait_ms / 1000, self._emit, on.Tick())

    def _carry_out(self, command: do.Command) -> None:
        match command:
            case do.Show(output):
                self._timelines.note(output)
                self._tell(output)
            case do.Record(conversation_id, entry):
                recorded = self._record(conversation_id, entry)
                if isinstance(entry, do.UserSaid | do.AssistantWrote):
                    self._recorded = recorded
                if isinstance(entry, do.AssistantHeard):
                    for watcher in self._equipment.watchers:
                        watcher.reply_heard(entry.turn_id, entry.heard_ms)
            case do.EndTurn(turn_id):
                metrics = replace(self._timelines.metrics(turn_id), cost_amount=self._bill.take_turn())
                self.turns += 1
                self._spawn(self._look_at_limits(), "limits")
                self._record(self.conversation_id, do.TurnMeasured(metrics))
                self._show(metrics)
                for watcher in self._equipment.watchers:
                    watcher.turn_ended(self._timelines.report(self.id, self.conversation_id, turn_id))
            case do.OpenUtterance(utterance):
                self._timelines.open(utterance)
                self._ears.open_utterance(command)
            case do.Settle(utterance):
                self._timelines.settle(utterance, self._stopped_at_ms(utterance))
                self._ears.settle(command)
            case do.WatchSilence():
                self._ears.watch_silence(command)
            case do.CloseUtterance(utterance):
                self._ears.close_utterance(utterance)
            case do.TranscribeClip():
                self._spawn(self._decode_clip(command), "clip")
            case do.StartReply():
                self._start_reply(command)
            case do.ConfirmReply(_, _, utterance, basis):
                self._timelines.start(utterance, self._choice.provider_names, basis)
                self._replying.confirm(command)
            case do.Learn(pauses):
                self._equipment.habits.learn(self.caller.owner, self.user_id, pauses)
            case do.Speak():
                if self._replying.speak(command):
                    self._timelines.note_clause()
            case do.FinishSpeech():
                if self._replying.finish(command):
                    self._timelines.note_clause()
            case do.CancelReply():
                self._replying.stop()
            case _:
                assert_never(command)

    @property
    def _is_waited_for(self) -> bool:
        """Whether the caller waits for sound: something is being worked on, and they are there."""
        reply = self._conversation.reply
        if reply is None:
            return bool(self._conversation.listening.waiting)
        return reply.is_audio_wanted and not reply.has_turn_ended and not reply.playout.is_paused

    def _break_silence(self, is_filler: bool) -> None:
        reply = self._conversation.reply
        sentence = Sentence.FILLER if is_filler else Sentence.ONE_MOMENT
        if (reply is not None and self._replying.say(sentence)) or is_filler:
            return
        slow = "This takes longer than usual; it is still being worked on."
        turn_id = reply.turn_id if reply is not None else None
        self._show(wire.ErrorOut("slow", slow, False, "internal" if reply else "stt", turn_id))

    def _serve(self, stage: str, name: str, utterance: int | None) -> None:
        self._timelines.serve(stage, name, utterance)

    async def _look_at_limits(self) -> None:
        """Between turns: a caller who has used up what it may is told, and let go."""
        standing = await self._equipment.meter.standing(self.caller, voice=True)
        self.heed(standing)
        if standing.refusal is not None:
            self.end("over_limit")

    def heed(self, standing: Standing) -> None:
        """Tell of a limit that is near, once, or reached."""
        if standing.refusal is not None:
            self.report(standing.refusal)
        elif standing.warning is not None and not self._has_warned_of_budget:
            self._has_warned_of_budget = True
            self.report(standing.warning)

    def _start_reply(self, command: do.StartReply) -> None:
        choice = self._choice
        if command.utterance is not None:
            choice = self._choices.pop(command.utterance, choice)
        choice = self._chooser.apply(choice, wire.Changes(model=command.options.model))
        if command.language is not None:
            choice = self._chooser.answering(choice, command.language)
        if not command.is_draft:
            self._timelines.start(command.utterance, choice.provider_names, command.basis)
        self._replying.start(command, choice)

    def _stopped_at_ms(self, utterance: int) -> float | None:
        one = self._conversation.listening.find(utterance)
        return one.stopped_at_ms if one is not None and one.source is Source.SPEECH else None

    def _ahead_ms(self) -> float:
        """How far the mouth is ahead of what is heard; infinitely while it is to hold."""
        return (
            math.inf
            if self._conversation.is_held
            else self._conversation.answering.ahead_ms(self._clock.now())
        )

    async def _decode_clip(self, command: do.TranscribeClip) -> None:
        clip, choice = self._clips.pop(command.clip)
        self._timelines.settle(command.utterance, None)
        self._choices[command.utterance] = choice
        try:
            declared = _declared(clip)
            pcm = await asyncio.get_running_loop().run_in_executor(
                self._equipment.workers, decode_clip, clip.data, declared, self._limits.utterance_s
            )
            if is_silent(pcm):
                self._emit(on.Transcribed(command.utterance, command.revision, ""))
            else:
                self._ears.hear_clip(command, pcm, choice)
        except VoiceServerError as error:
            self._emit(on.TranscriptionFailed(command.utterance, command.revision, error))
        except Exception as error:
            log.exception("clip decoding broke")
            broken = AudioError("The recording could not be read.")
            broken.__cause__ = error
            self._emit(on.TranscriptionFailed(command.utterance, command.revision, broken))

    # ── Saying so ────────────────────────────────────────────────────────────────────────────────

    def _record(self, conversation_id: ConversationId, entry: do.Entry) -> Awaitable[None]:
        return self._equipment.journal.record(self.caller.owner, conversation_id, entry)

    def _tell(self, output: wire.Output) -> None:
        """Say what the conversation wishes; a final transcript and a reply once they are saved."""
        if self._recorded is not None and isinstance(output, wire.TranscriptionOut | wire.AiResponse):
            self._gate.show_saved(output, self._recorded)
            self._recorded = None
        else:
            self._show(output)

    def _show(self, output: wire.Output) -> None:
        self._gate.show(output)

    def _put(self, output: wire.Output) -> None:
        self.outbox.put(output)
        self._silence.note(output)
        if self.outbox.is_overfull and self._attachment is not None:
            self._attachment.close_soon(1008, "too slow")

    def report(self, error: VoiceServerError) -> None:
        """Tell the caller what went wrong, outside of a turn."""
        self._show(wire.ErrorOut(error.code, error.message, error.retryable, error.stage))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._tasks is not None
        task = self._tasks.create_task(work, name=f"{self.id} {name}")
        self._live.add(task)
        task.add_done_callback(self._live.discard)
        return task


def _declared(clip: wire.Clip) -> InputFormat | None:
    if clip.format is None:
        return None
    try:
        encoding = InputEncoding(clip.format)
    except ValueError:
        return None  # a container's name: the content says more
    return InputFormat(encoding, clip.sample_rate if clip.sample_rate is not None else 16_000)


def _unknown_conversation() -> NotFoundError:
    return NotFoundError("No conversation has this id; a new one is used.", code="unknown_conversation")
