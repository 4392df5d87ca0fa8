"""Templates that callers made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from voice_server.clock import Clock
from voice_server.errors import NotFoundError, ProtocolError
from voice_server.ids import new_template_id
from voice_server.store.database import Database
from voice_server.store.tables import TemplateRow


@dataclass(frozen=True, slots=True)
class Template:
    """A system prompt with `{variables}`. One without a default must be given whenever it is used.

    `tools`: the only tools that a conversation with it may use; None leaves that open.
    """

    name: str
    display_name: str
    description: str
    system_prompt: str
    variables: Sequence[str] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    example_usage: str = ""
    tools: Sequence[str] | None = None
    is_builtin: bool = False
    id: str = field(default_factory=new_template_id)


class TemplateStore:
    """Each owner's own. A name is unique with its owner."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self, owner: str) -> Sequence[Template]:
        """In the order of their names."""
        query = select(TemplateRow).where(TemplateRow.owner == owner).order_by(TemplateRow.name)
        async with self._database.read() as session:
            return [_template_of(row) for row in (await session.scalars(query)).all()]

    async def find(self, owner: str, name: str) -> Template | None:
        """The one of this name."""
        query = select(TemplateRow).where(TemplateRow.owner == owner, TemplateRow.name == name)
        async with self._database.read() as session:
            row = (await session.scalars(query)).one_or_none()
        return None if row is None else _template_of(row)

    async def add(self, owner: str, template: Template) -> None:
        """Keep a new one.

        Raises:
            ProtocolError: there is one of this name.
        """
        now_ms = self._now_ms()
        values = {"id": template.id, "owner": owner, "created_at_ms": now_ms, "updated_at_ms": now_ms}
        try:
            async with self._database.write() as session:
                await session.execute(insert(TemplateRow).values(values | _values(template)))
        except IntegrityError as error:
            raise ProtocolError(
                f"There is a template '{template.name}' already.", code="template_exists"
            ) from error

    async def replace(self, owner: str, template: Template) -> Template:
        """Put this in the place of the one of its name, which keeps its id.

        Raises:
            NotFoundError: there is none.
        """
        async with self._database.write() as session:
            await session.execute(
                update(TemplateRow)
                .where(TemplateRow.owner == owner, TemplateRow.name == template.name)
                .values(_values(template) | {"updated_at_ms": self._now_ms()})
            )
        if (replaced := await self.find(owner, template.name)) is None:
            raise unknown_template(template.name)
        return replaced

    async def delete(self, owner: str, name: str) -> None:
        """Forget it.

        Raises:
            NotFoundError: there is none.
        """
        wanted = (TemplateRow.owner == owner, TemplateRow.name == name)
        async with self._database.write() as session:
            if await session.scalar(select(TemplateRow.id).where(*wanted)) is None:
                raise unknown_template(name)
            await session.execute(delete(TemplateRow).where(*wanted))

    def _now_ms(self) -> int:
        return round(self._clock.utc().timestamp() * 1000)


def unknown_template(name: str) -> NotFoundError:
    """What is said of a name that no template has."""
    return NotFoundError(f"There is no template '{name}'.", code="unknown_template")


def _values(template: Template) -> dict[str, object]:
    return {
        "name": template.name,
        "display_name": template.display_name,
        "description": template.description,
        "system_prompt": template.system_prompt,
        "variables": list(template.variables),
        "defaults": dict(template.defaults),
        "example_usage": template.example_usage,
        "tools": None if template.tools is None else list(template.tools),
    }


def _template_of(row: TemplateRow) -> Template:
    return Template(
        name=row.name,
        display_name=row.display_name,
        description=row.description,
        system_prompt=row.system_prompt,
        variables=row.variables,
        defaults=row.defaults,
        example_usage=row.example_usage,
        tools=row.tools,
        id=row.id,
    )
