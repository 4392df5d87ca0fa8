"""How the entries of a session's ledger become rows."""

from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from voice_server.core.commands import (
    AssistantHeard,
    AssistantWrote,
    Began,
    Entry,
    ServerSaid,
    TurnMeasured,
    UserSaid,
)
from voice_server.core.wire import Metrics
from voice_server.ids import ConversationId
from voice_server.store.tables import ConversationRow, MessageRow

TITLE_CHARS = 80


@dataclass(frozen=True, slots=True)
class Line:
    """One entry, whose it is and when it was made."""

    owner: str
    conversation_id: ConversationId
    entry: Entry
    at_ms: int


async def write_line(session: AsyncSession, line: Line) -> None:
    """Write one entry. Writing it again changes nothing."""
    match line.entry:
        case Began(user_id):
            await _begin(session, line, user_id)
        case UserSaid() as said:
            await _say(
                session,
                line,
                id=said.message.id,
                role="user",
                content=said.message.text,
                turn_id=said.turn_id,
                spoken=said.spoken,
                language=said.language,
                confidence=said.confidence,
            )
            await _entitle(session, line, said.message.text)
        case AssistantWrote(turn_id, message):
            await _say(
                session,
                line,
                id=message.id,
                role="assistant",
                content=message.text,
                written=message.text,
                turn_id=turn_id,
            )
        case AssistantHeard(turn_id, message, heard_ms, complete):
            heard = {"content": message.text, "heard_ms": heard_ms, "is_complete": complete}
            await _say(session, line, id=message.id, role="assistant", turn_id=turn_id, **heard)
            await session.execute(update(MessageRow).where(MessageRow.id == message.id).values(heard))
        case TurnMeasured(metrics):
            await session.execute(
                update(MessageRow)
                .where(
                    MessageRow.turn_id == metrics.turn_id,
                    MessageRow.owner == line.owner,
                    MessageRow.role == "assistant",
                )
                .values(
                    timings=timings_of(metrics),
                    providers=dict(metrics.providers),
                    cost=metrics.cost_amount,
                )
            )
        case ServerSaid():
            pass  # never history
        case _:
            assert_never(line.entry)


def timings_of(metrics: Metrics) -> dict[str, float]:
    """The stages that the turn had, in milliseconds."""
    names = (
        *("endpoint_ms", "stt_ms", "llm_first_token_ms", "llm_first_clause_ms", "tts_first_audio_ms"),
        *("response_ms", "send_ms"),
    )
    found = {name: getattr(metrics, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


async def _begin(session: AsyncSession, line: Line, user_id: str) -> None:
    await _insert_new(
        session,
        ConversationRow,
        id=line.conversation_id,
        owner=line.owner,
        user_id=user_id,
        template_variables={},
        details={},
        status="active",
        created_at_ms=line.at_ms,
        updated_at_ms=line.at_ms,
    )


async def _say(session: AsyncSession, line: Line, **values: Any) -> None:
    await _begin(session, line, line.owner)  # only where somebody has deleted it while it was being talked in
    defaults = {"spoken": values["role"] == "assistant", "timings": {}, "providers": {}, "details": {}}
    await _insert_new(
        session,
        MessageRow,
        **{
            **defaults,
            **values,
            "conversation_id": line.conversation_id,
            "owner": line.owner,
            "created_at_ms": line.at_ms,
        },
    )
    await session.execute(
        update(ConversationRow)
        .where(ConversationRow.id == line.conversation_id)
        .values(updated_at_ms=line.at_ms)
    )


async def _entitle(session: AsyncSession, line: Line, text: str) -> None:
    await session.execute(
        update(ConversationRow)
        .where(ConversationRow.id == line.conversation_id, ConversationRow.title.is_(None))
        .values(title=title_of(text))
    )


def title_of(text: str) -> str:
    """The beginning of what was said first, as a conversation's title."""
    words = " ".join(text.split())
    return words if len(words) <= TITLE_CHARS else words[: TITLE_CHARS - 1].rsplit(" ", 1)[0] + "…"


async def _insert_new(
    session: AsyncSession, table: type[ConversationRow] | type[MessageRow], **values: Any
) -> None:
    dialect = session.get_bind().dialect.name
    made = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    await session.execute(made.values(values).on_conflict_do_nothing(index_elements=["id"]))
