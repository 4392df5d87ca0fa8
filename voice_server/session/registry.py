"""The live sessions: opened, resumed, counted, drained."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import structlog

from voice_server.core.caller import Caller, Tier
from voice_server.core.wire import Changes, Init, Resume
from voice_server.errors import AuthenticationError, LimitError, VoiceServerError
from voice_server.ids import SessionId
from voice_server.session.equipment import Equipment
from voice_server.session.presence import Attachment
from voice_server.session.prompts import with_own_prompt, with_prompt
from voice_server.session.session import Session

log = structlog.get_logger()


class SessionRegistry:
    """Every session's task runs here, not under a connection: a session outlives its connections.

    Args:
        per_owner: how many sessions an owner of each tier may have at once.
    """

    def __init__(self, equipment: Equipment, per_owner: Mapping[Tier, int]) -> None:
        self._equipment = equipment
        self._per_owner = per_owner
        self._sessions: dict[SessionId, Session] = {}
        self._counts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many sessions live."""
        return len(self._sessions)

    @property
    def callers(self) -> list[Caller]:
        """Whose sessions live."""
        return [one.caller for one in self._sessions.values()]

    def of(self, owner: str) -> list[Session]:
        """The live sessions of an owner, the oldest first."""
        return [one for one in self._sessions.values() if one.caller.owner == owner]

    def end_of_keys(self, key_ids: Collection[str | None]) -> None:
        """End the sessions of keys that are not good any more; None stands for who brought none."""
        for session in list(self._sessions.values()):
            if session.caller.key_id in key_ids and not session.is_over:
                session.report(
                    AuthenticationError("The API key of this session is no longer valid.", code="key_revoked")
                )
                session.end("key_revoked")

    async def open(
        self,
        session_id: SessionId,
        caller: Caller,
        init: Init,
        attachment: Attachment,
        *,
        is_paced: bool = True,
        acknowledge: bool = True,
    ) -> Session:
        """A new session, running.

        Raises:
            AuthenticationError: the caller was let in for another session.
            LimitError: the owner has as many as the tier allows, or has used up what the key may.
            ProtocolError: a wish that a strict server does not grant.
        """
        if caller.grant is not None and caller.grant.session_id != session_id:
            raise AuthenticationError("This client token has been used already.", code="invalid_token")
        standing = await self._equipment.meter.standing(caller, voice=True)
        if standing.refusal is not None:
            raise standing.refusal
        if caller.tier is not None and self._counts[caller.owner] >= self._per_owner[caller.tier]:
            raise LimitError(
                f"This key already has {self._per_owner[caller.tier]} sessions open, the most it may have.",
                code="too_many_sessions",
            )
        self._counts[caller.owner] += 1  # at once: others may come while the conversation is looked up
        try:
            remembered = await self._equipment.journal.open(
                caller.owner, init.conversation_id, caller.user_id
            )
            templates = self._equipment.templates
            wishes = await with_own_prompt(remembered.wishes, templates, caller.owner)
            remembered = replace(remembered, wishes=wishes)
            if caller.grant is not None:
                fixed = await with_prompt(caller.grant.fixed, templates, caller.owner)
                caller = replace(caller, grant=replace(caller.grant, fixed=fixed))
            init = replace(init, changes=await with_prompt(init.changes, templates, caller.owner))
            session = Session(
                session_id,
                caller,
                self._equipment,
                init,
                remembered,
                is_paced=is_paced,
                acknowledge=acknowledge,
            )
        except BaseException:
            self._counts[caller.owner] -= 1
            raise
        session.attach(attachment)
        self._sessions[session_id] = session
        started = asyncio.Event()
        task = asyncio.create_task(self._live(session, started), name=session_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await started.wait()
        session.heed(standing)
        return session

    async def _live(self, session: Session, started: asyncio.Event) -> None:
        try:
            await session.run(started)
        except Exception:  # a task begins here, and nobody awaits it
            log.exception("session broke", session=session.id)
        finally:
            session.end("failed")
            session.outbox.close()
            started.set()
            del self._sessions[session.id]
            self._counts[session.caller.owner] -= 1

    def resume(self, caller: Caller, wish: Resume, attachment: Attachment) -> Session | None:
        """The session that this wish names, taken over by a new connection; None if it cannot be granted."""
        if caller.grant is not None and caller.grant.session_id != wish.session_id:
            return None
        session = self._sessions.get(SessionId(wish.session_id))
        if session is None or session.caller.owner != caller.owner or not session.can_resume(wish):
            return None
        session.resume(attachment, wish.last_seq)
        return session

    async def change(self, owner: str, conversation_id: str, changes: Changes) -> None:
        """Have an owner's sessions in this conversation go on with these changes from their next turn."""
        for session in list(self._sessions.values()):
            if session.caller.owner == owner and session.conversation_id == conversation_id:
                try:
                    await session.change(changes)
                except VoiceServerError as error:
                    session.report(error)

    async def drain(self, grace_s: float) -> None:
        """End all sessions: those in a turn may finish it within `grace_s`."""
        deadline = asyncio.get_running_loop().time() + grace_s
        while any(one.is_replying for one in self._sessions.values()):
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(0.05)
        for session in list(self._sessions.values()):
            session.end("server_going_away")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
