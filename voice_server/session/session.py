"""Animates the conversation for one caller.

Facts from the caller, the ears, the mind and the mouth enter at `_emit`, one after the other, so that their
order is total; the conversation's commands are carried out at once, in order, all on the event loop. A
session outlives its connection: it speaks into its outbox, and whoever is attached reads from there.
"""

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from voice_server.core import events as on
from voice_server.core import wire
from voice_server.core.caller import Caller
from voice_server.core.commands import Command
from voice_server.core.journal import Remembered
from voice_server.core.tape import Beginning
from voice_server.core.usage import Standing
from voice_server.errors import VoiceServerError
from voice_server.ids import ConversationId, SessionId
from voice_server.providers.metered import Bill
from voice_server.session.allowance import Allowance
from voice_server.session.chooser import Chooser
from voice_server.session.deeds import Deeds
from voice_server.session.ears import Ears
from voice_server.session.equipment import Equipment
from voice_server.session.intake import Intake
from voice_server.session.lifetime import Lifetime
from voice_server.session.metering import metered
from voice_server.session.microphone import Microphone
from voice_server.session.outbox import Outbox
from voice_server.session.patience import Patience
from voice_server.session.presence import Attachment, Presence
from voice_server.session.reckoning import Reckoning
from voice_server.session.recordings import Recordings
from voice_server.session.replying import Replying
from voice_server.session.silence import SilenceWatch
from voice_server.session.telling import Telling
from voice_server.session.terms import Terms
from voice_server.session.timeline import Timelines
from voice_server.session.warming import Warming, learn_sentences


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
        self.end_reason = "ended"
        self._equipment = equipment
        self._clock = equipment.clock
        limits, deadlines, grant = equipment.limits, equipment.deadlines, caller.grant
        self._remembered = remembered
        self._greeting = init.greeting
        self._over = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._live: set[asyncio.Task[None]] = set()
        self._pending: deque[on.Event] = deque()
        self._is_stepping = False
        self._wake: asyncio.TimerHandle | None = None
        bill = Bill(equipment.meter, caller)
        catalogue, default = metered(equipment.catalogue, equipment.default, bill)
        self._terms = Terms(
            Chooser(catalogue, partial(equipment.tools.offered_to, caller), grant.fixed if grant else None),
            default,
            remembered.wishes,
            init.changes,
            equipment.templates,
            caller.owner,
        )
        self.outbox = Outbox(self._clock, limits.replay_bytes, limits.replay_ms)
        self._telling = Telling(equipment.journal, caller, self._put, limits.saving_ms)
        beginning = Beginning(
            session_id.removeprefix("sess_"),
            remembered.id,
            self._terms.choice.policy,
            tuple(remembered.messages),
            equipment.habits.pauses(caller.owner, self.user_id),
            is_paced,
            self._terms.choice.language,
        )
        self._conversation = beginning.conversation()
        self._recording = equipment.recorder.open(session_id, beginning) if equipment.recorder else None
        self._presence = Presence(
            self.outbox, limits.resume_window_ms, self._spawn, self._come_back, self._leave, self.end
        )
        self._lifetime = Lifetime(
            self._clock, limits, self._telling.show, self.end, grant.longest_ms if grant else None
        )
        self._allowance = Allowance(equipment.meter, caller, self.report, self.end)
        self._silence = SilenceWatch(
            self._clock,
            deadlines,
            limits.tool_bridge_ms,
            lambda lull, is_bridged: self._patience.break_silence(lull, is_bridged),
        )
        self._ears = Ears(
            self._emit,
            self._spawn,
            self._clock,
            equipment.vad,
            equipment.score,
            limits,
            self._serve,
            self._likeness,
            equipment.suppress,
            self._recording.hear if self._recording else None,
        )
        self._timelines = Timelines(self._clock, self._ears.moment_of)
        self._microphone = Microphone(self._ears, self._emit, self._clock, limits.input_ahead_ms)
        self._recordings = Recordings(self._ears, self._emit, self._spawn, equipment.workers, limits)
        self._replying = Replying(
            self._emit,
            self._spawn,
            self._ahead_ms,
            limits.output_ahead_ms,
            deadlines,
            self._serve,
            equipment.phrases,
            equipment.tools,
            self._silence.awaiting_tools,
        )
        self._patience = Patience(self._conversation, self._replying, self._telling.show)
        self._reckoning = Reckoning(
            session_id,
            self._timelines,
            bill,
            self._telling,
            equipment.watchers,
            lambda: self._spawn(self._allowance.look(), "limits"),
        )
        self._deeds = Deeds(
            self._conversation,
            self._terms,
            self._ears,
            self._recordings,
            self._replying,
            self._timelines,
            self._telling,
            self._reckoning,
            partial(equipment.habits.learn, caller.owner, self.user_id),
        )
        self._intake = Intake(
            self._emit,
            self._terms,
            self._microphone,
            self._recordings,
            self._replying,
            self._telling,
            is_paced,
            self._join,
            self._be_configured,
            self.end,
        )
        self._telling.begin(remembered, self.user_id)
        if acknowledge:
            self.outbox.put(self.acknowledgement())

    # ── Its life ─────────────────────────────────────────────────────────────────────────────────

    @property
    def conversation_id(self) -> ConversationId:
        """The conversation it is in."""
        return self._conversation.conversation_id

    @property
    def turns(self) -> int:
        """How many have ended."""
        return self._reckoning.turns

    @property
    def state(self) -> str:
        """What it is doing, in a word."""
        return (self._conversation.status or wire.StatusKind.READY).value

    @property
    def is_connected(self) -> bool:
        """Whether somebody is there; else it waits to be resumed."""
        return self._presence.is_there

    @property
    def config(self) -> dict[str, Any]:
        """The settings in force, as the caller is told."""
        is_recorded = self._recording is not None and not self._recording.is_over
        return self._terms.choice.described() | ({"recorded": True} if is_recorded else {})

    @property
    def is_over(self) -> bool:
        """Whether it has ended or is about to."""
        return self._over.is_set()

    @property
    def is_replying(self) -> bool:
        """Whether a turn is under way and somebody is there to hear it."""
        is_busy = self._conversation.reply is not None or bool(self._conversation.listening.waiting)
        return is_busy and self.is_connected

    async def run(self, started: asyncio.Event | None = None) -> None:
        """Live until ended, idle for too long, too old, or left alone for too long."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                try:
                    await self._live_on(started)
                finally:
                    self._shut_down()
        finally:
            if self._recording is not None:
                self._recording.close(self.end_reason)

    async def _live_on(self, started: asyncio.Event | None) -> None:
        warming = Warming(self._terms.choice)
        if await warming.takes_time():
            self._telling.show(wire.Status(wire.StatusKind.WARMING))
        self._spawn(self._begin_warm(warming), "warm")
        self._spawn(self._lifetime.watch(), "age")
        self._telling.report_missing(self._remembered)
        if started is not None:
            started.set()
        await self._over.wait()
        await self._telling.finish()

    def end(self, reason: str) -> None:
        """End it: the caller is told why, what is under way is dropped."""
        if not self._over.is_set():
            self.end_reason = reason
            self._over.set()

    def _shut_down(self) -> None:
        if not self.is_over:  # a task of ours broke, and took the others along
            broken = VoiceServerError("Something went wrong on the server, and this session is over.")
            self.outbox.put(wire.ErrorOut.of(broken))
            self.end("failed")
        for task in self._live:
            task.cancel()
        self._ears.close()
        self._silence.close()
        if self._wake is not None:
            self._wake.cancel()
        self.outbox.put(wire.SessionEnded(self.end_reason))
        self.outbox.close()

    async def _begin_warm(self, warming: Warming) -> None:
        """Tell when all is ready, and greet."""
        troubles = await warming.troubles()
        for trouble in troubles:
            self.report(trouble)
        if not troubles:
            self._telling.show(wire.Status(wire.StatusKind.READY))
            if self._conversation.status is not None:  # it has begun already
                self._telling.show(wire.Status(self._conversation.status))
        if self._greeting:
            self._emit(on.Prompted(self._greeting))
        await learn_sentences(self._equipment.phrases, self._terms.choice)

    # ── Its connection ───────────────────────────────────────────────────────────────────────────

    @property
    def resume_token(self) -> str:
        """What the next resume has to bring."""
        return self._presence.token

    def attach(self, attachment: Attachment) -> None:
        """A first connection is there."""
        self._presence.attach(attachment)

    def acknowledgement(self, *, resumed: bool = False) -> wire.InitAck:
        """The session as it is in force, with the token for the next resume."""
        return wire.InitAck(
            self.user_id, self.conversation_id, self.id, self.config, self.resume_token, resumed
        )

    def can_resume(self, wish: wire.Resume) -> bool:
        """Whether this wish to go on can be granted in full."""
        return not self.is_over and self._presence.may_resume(wish)

    def resume(self, attachment: Attachment, last_seq: int) -> None:
        """Another connection takes over; it is sent everything after `last_seq`."""
        self._presence.resume(attachment, last_seq)

    def detach(self, attachment: Attachment) -> None:
        """The connection dropped; the session waits for another."""
        if not self.is_over:
            self._presence.detach(attachment)

    def _come_back(self, unreceived_ms: float) -> None:
        self._lifetime.sign()
        self._emit(on.Attached(unreceived_ms))

    def _leave(self) -> None:
        self._ears.close_stream()
        self._emit(on.Detached(self._ears.position_ms))

    # ── What the caller says ─────────────────────────────────────────────────────────────────────

    async def receive(self, message: wire.Input) -> None:
        """Take what the caller says; waits when input comes faster than it can pass.

        Raises:
            VoiceServerError: what was wrong with it; the session goes on.
        """
        if isinstance(message, wire.AudioIn):
            if wait_ms := self.hear(message.data):
                await asyncio.sleep(wait_ms / 1000)
        elif not self.is_over:
            self._lifetime.sign()
            await self._intake.take(message)

    @property
    def is_listening(self) -> bool:
        """Whether live audio may be taken without asking it to slow down."""
        return self._microphone.is_in_time and not self.is_over

    def hear(self, data: bytes) -> float:
        """Take live audio; gives for how many milliseconds no more of it shall be read.

        Raises:
            VoiceServerError: what was wrong with it; the session goes on.
        """
        if self.is_over:
            return 0.0
        self._lifetime.sign()
        excess_ms = self._microphone.push(data)
        return 0.0 if self._terms.choice.policy.mode is wire.TurnMode.MANUAL else excess_ms

    async def change(self, changes: wire.Changes) -> None:
        """Go on with these changes from the next turn.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        await self._terms.change(changes)
        self._heed_terms()

    def _be_configured(self) -> None:
        if self.is_over:
            return  # it ended while a template was looked up
        self._heed_terms()
        self._telling.show(wire.Configured(self.config))
        self._spawn(learn_sentences(self._equipment.phrases, self._terms.choice), "sentences")

    def _heed_terms(self) -> None:
        choice = self._terms.choice
        self._ears.use(choice)
        self._emit(on.PolicyChanged(choice.policy, choice.language))

    async def _join(self, wished: str) -> None:
        """Go on in another conversation."""
        if wished == self.conversation_id:
            return
        joined = await self._equipment.journal.open(self.caller.owner, wished, self.caller.user_id)
        self._telling.begin(joined, self.user_id)
        await self._terms.join(joined.wishes)
        self._heed_terms()
        self._emit(on.ConversationChanged(joined.id, tuple(joined.messages)))
        self._telling.report_missing(joined)

    # ── The conversation ─────────────────────────────────────────────────────────────────────────

    def _emit(self, event: on.Event) -> None:
        """Give the conversation a fact and do what it wishes. Facts that arise meanwhile wait their turn."""
        self._pending.append(event)
        if self._is_stepping or self.is_over:
            return
        self._is_stepping = True
        try:
            while self._pending:
                for command in self._step(self._pending.popleft()):
                    self._deeds.carry_out(command)
        finally:
            self._is_stepping = False
        self._silence.watch(self._patience.is_tried)
        self._set_alarm()

    def _step(self, event: on.Event) -> Sequence[Command]:
        now = self._clock.now()
        if self._recording is None:
            return self._conversation.step(event, now)
        return self._recording.step(self._conversation, event, now)

    def _set_alarm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if (wake_at := self._conversation.wake_at) is not None:
            wait_ms = max(wake_at - self._clock.now(), 0.0)
            self._wake = asyncio.get_running_loop().call_later(wait_ms / 1000, self._emit, on.Tick())

    def _serve(self, utterance: int | None, stage: str, name: str) -> None:
        self._timelines.serve(utterance, stage, name)

    def _ahead_ms(self) -> float:
        """How far the mouth is ahead of what is heard; infinitely while it is to hold."""
        return (
            math.inf
            if self._conversation.is_held
            else self._conversation.answering.ahead_ms(self._clock.now())
        )

    def _likeness(self, voice: bytes, ended_ms_ago: float) -> float | None:
        """How much what the ears hear is like what the mouth says; None while it says nothing."""
        if (reply := self._conversation.reply) is None:
            return None
        return self._replying.likeness(voice, reply.playout.heard_ms(self._clock.now()) - ended_ms_ago)

    # ── Saying so ────────────────────────────────────────────────────────────────────────────────

    def report(self, error: VoiceServerError) -> None:
        """Tell the caller what went wrong, outside of a turn."""
        self._telling.report(error)

    def heed(self, standing: Standing) -> None:
        """Tell of a limit that is near, or reached."""
        self._allowance.heed(standing)

    def _put(self, output: wire.Output) -> None:
        self.outbox.put(output)
        self._silence.note(output)
        if self.outbox.is_overfull:
            self._presence.let_go()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._tasks is not None
        task = self._tasks.create_task(work, name=f"{self.id} {name}")
        self._live.add(task)
        task.add_done_callback(self._live.discard)
        return task
