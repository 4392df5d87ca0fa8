"""The journal of every session, kept in the database.

One writer takes what has gathered and commits it together, so that a slow disk costs a session nothing but a
later acknowledgement. While the database takes nothing, entries wait, in order, and each is told at once that
it is not safe yet.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable

import structlog
from sqlalchemy import select

from voice_server.clock import Clock
from voice_server.core.commands import Entry
from voice_server.core.history import Message
from voice_server.core.journal import Remembered
from voice_server.core.wire import Changes, TemplateChoice
from voice_server.errors import StoreError
from voice_server.ids import ConversationId, MessageId, new_conversation_id
from voice_server.store.database import Database
from voice_server.store.ledger import Line, write_line
from voice_server.store.tables import ConversationRow, MessageRow

log = structlog.get_logger()

_BATCH = 256
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_REMEMBERED_MESSAGES = 200  # more than any prompt holds


class StoredJournal:
    """The `Journal` of every session.

    Args:
        most_waiting: entries that wait at most for a database that takes nothing; what comes after is lost.
    """

    def __init__(self, database: Database, clock: Clock, most_waiting: int = 10_000) -> None:
        self._database = database
        self._clock = clock
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Line, asyncio.Future[None]]] = deque()
        self._news = asyncio.Event()
        self._is_closing = False
        self.is_in_trouble = False

    async def open(self, owner: str, wished: str | None, user_id: str | None = None) -> Remembered:
        """The wished-for conversation of this owner, and of this user if one is named, or an id for a new
        one. Never raises."""
        if wished is None:
            return Remembered(new_conversation_id(), is_new=True)
        if "\x00" in wished:  # PostgreSQL cannot even be asked for it
            return Remembered(new_conversation_id(), is_new=True, is_unknown=True)
        try:
            found = await self._find(owner, ConversationId(wished), user_id)
        except StoreError as error:
            trouble = StoreError(
                "The conversation cannot be looked up now; a new one is used.",
                code="conversation_unavailable",
            )
            trouble.__cause__ = error
            return Remembered(new_conversation_id(), is_new=True, trouble=trouble)
        return found or Remembered(new_conversation_id(), is_new=True, is_unknown=True)

    async def _find(
        self, owner: str, conversation_id: ConversationId, user_id: str | None
    ) -> Remembered | None:
        newest = (
            select(MessageRow.id, MessageRow.role, MessageRow.content)
            .where(
                MessageRow.conversation_id == conversation_id,
                MessageRow.content != "",
                MessageRow.role.in_(("user", "assistant")),
            )
            .order_by(MessageRow.position.desc())
            .limit(_REMEMBERED_MESSAGES)
        )
        async with self._database.read() as session:
            known = select(ConversationRow).where(
                ConversationRow.id == conversation_id, ConversationRow.owner == owner
            )
            if user_id is not None:
                known = known.where(ConversationRow.user_id == user_id)
            if (conversation := await session.scalar(known)) is None:
                return None
            rows = (await session.execute(newest)).all()
        messages = [
            Message(MessageId(one.id), "user" if one.role == "user" else "assistant", one.content)
            for one in reversed(rows)
        ]
        return Remembered(conversation_id, messages, _wishes_of(conversation))

    def record(self, owner: str, conversation_id: ConversationId, entry: Entry) -> Awaitable[None]:
        """Keep an entry; see `core.journal`."""
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= self._most_waiting:
            log.error("ledger entry lost", conversation=conversation_id, waiting=len(self._waiting))
            _fail(saved, StoreError("Too much waits to be saved; this is lost."))
            return saved
        at_ms = round(self._clock.utc().timestamp() * 1000)
        self._waiting.append((Line(owner, conversation_id, entry, at_ms), saved))
        if self.is_in_trouble:
            _fail(saved, StoreError("The database takes nothing for now."))
        self._news.set()
        return saved

    async def run(self) -> None:
        """Write until closed; what waits then is written first, if the database takes it."""
        wait_s = _FIRST_WAIT_S
        while not (self._is_closing and not self._waiting):
            self._news.clear()
            if not self._waiting:
                await self._news.wait()
                continue
            batch = [self._waiting[n] for n in range(min(len(self._waiting), _BATCH))]
            try:
                await self._write(batch)
            except StoreError as error:
                self._begin_trouble(error)
                if self._is_closing and wait_s >= _LONGEST_WAIT_S:
                    log.error("ledger entries lost", count=len(self._waiting))
                    return
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            if self.is_in_trouble:
                self.is_in_trouble = False
                log.info("database takes entries again")
            for _ in batch:
                _, saved = self._waiting.popleft()
                if not saved.done():
                    saved.set_result(None)

    def close(self) -> None:
        """Nothing more comes; `run` ends once all is written."""
        self._is_closing = True
        self._news.set()

    def _begin_trouble(self, error: StoreError) -> None:
        if not self.is_in_trouble:
            log.error("database takes no entries", reason=str(error.__cause__))
        self.is_in_trouble = True
        for _, saved in self._waiting:
            _fail(saved, error)

    async def _write(self, batch: list[tuple[Line, asyncio.Future[None]]]) -> None:
        try:
            async with self._database.write() as session:
                for line, _ in batch:
                    await write_line(session, line)
        except StoreError:
            raise
        except Exception:  # whatever it is, it is about one entry, and its neighbours are to be saved
            await self._write_singly(batch)

    async def _write_singly(self, batch: list[tuple[Line, asyncio.Future[None]]]) -> None:
        """One of these breaks a rule of the database: keep it from taking the others along."""
        for line, saved in batch:
            try:
                async with self._database.write() as session:
                    await write_line(session, line)
            except StoreError:
                raise
            except Exception:  # the one that is at fault; its session is told
                log.exception("ledger entry refused", conversation=line.conversation_id)
                _fail(saved, StoreError("The database refused this."))


def _wishes_of(row: ConversationRow) -> Changes:
    template = TemplateChoice(row.template, row.template_variables) if row.template is not None else None
    return Changes(model=row.model, system_prompt=row.system_prompt, template=template)


def _fail(saved: asyncio.Future[None], error: StoreError) -> None:
    if not saved.done():
        saved.set_exception(error)
        saved.exception()  # nobody need ask
