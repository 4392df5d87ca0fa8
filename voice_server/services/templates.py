"""Templates: the built-in ones and each owner's own, and how a prompt is made of one."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voice_server.errors import ProtocolError
from voice_server.store.templates import Template, TemplateStore, unknown_template

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The system prompt that a template makes, and the only tools allowed with it; None leaves that open."""

    system_prompt: str
    tools: Sequence[str] | None = None


class Templates:
    """Every template that an owner may use. A built-in name cannot be taken."""

    def __init__(self, builtin: Sequence[Template], store: TemplateStore) -> None:
        self._builtin = {template.name: template for template in builtin}
        self._store = store

    async def all(self, owner: str) -> Sequence[Template]:
        """The built-in ones first."""
        return [*self._builtin.values(), *await self._store.all(owner)]

    async def get(self, owner: str, name: str) -> Template:
        """The one of this name.

        Raises:
            NotFoundError: there is none.
        """
        template = self._builtin.get(name) or await self._store.find(owner, name)
        if template is None:
            raise unknown_template(name)
        return template

    async def render(self, owner: str, name: str, variables: Mapping[str, str]) -> Rendered:
        """The prompt of a template with these variables.

        Raises:
            NotFoundError: there is no such template.
            ProtocolError: a variable is missing, or is none of the template's.
        """
        template = await self.get(owner, name)
        return Rendered(render(template, variables), template.tools)

    async def create(self, owner: str, template: Template) -> None:
        """Keep a new one.

        Raises:
            ProtocolError: its name is taken, or it does not agree with itself.
        """
        self._refuse_builtin(template.name)
        _check(template)
        await self._store.add(owner, template)

    async def replace(self, owner: str, template: Template) -> Template:
        """Put this in the place of the one of its name.

        Raises:
            NotFoundError: there is none.
            ProtocolError: it is built in, or does not agree with itself.
        """
        self._refuse_builtin(template.name)
        _check(template)
        return await self._store.replace(owner, template)

    async def delete(self, owner: str, name: str) -> None:
        """Forget one. Conversations that use it go on with the server's own prompt.

        Raises:
            NotFoundError: there is none.
            ProtocolError: it is built in.
        """
        self._refuse_builtin(name)
        await self._store.delete(owner, name)

    def _refuse_builtin(self, name: str) -> None:
        if name in self._builtin:
            raise ProtocolError(
                f"'{name}' is a built-in template and stays as it is; make one of another name.",
                code="builtin_template",
            )


def render(template: Template, variables: Mapping[str, str]) -> str:
    """Put the variables into the prompt, once: braces in a value stay text, as do others in the prompt.

    Raises:
        ProtocolError: a variable is missing, or is none of the template's.
    """
    known = ", ".join(template.variables) or "none"
    if unknown := sorted(set(variables) - set(template.variables)):
        raise ProtocolError(
            f"The template '{template.name}' has no variable '{unknown[0]}'; it has: {known}.",
            code="unknown_variable",
        )
    values = {**template.defaults, **variables}
    if missing := [name for name in template.variables if name not in values]:
        raise ProtocolError(
            f"The template '{template.name}' needs the variable '{missing[0]}'.", code="missing_variable"
        )

    def value_of(found: re.Match[str]) -> str:
        return values.get(found[1], found[0])

    return _VARIABLE.sub(value_of, template.system_prompt).strip()


def variables_of(system_prompt: str) -> tuple[str, ...]:
    """The names in braces, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(system_prompt)))


def read_templates(toml: str) -> list[Template]:
    """The templates of a file such as `config/templates.toml`; all their variables have defaults."""
    return [
        Template(
            **{name: value for name, value in table.items() if name != "variables"},
            variables=tuple(table["variables"]),
            defaults=table["variables"],
            is_builtin=True,
        )
        for table in tomllib.loads(toml)["template"]
    ]


def _check(template: Template) -> None:
    used = variables_of(template.system_prompt)
    if idle := [name for name in template.variables if name not in used]:
        raise ProtocolError(
            f"The system prompt does not use the variable '{idle[0]}'; write it as {{{idle[0]}}}.",
            code="idle_variable",
        )
    if strange := [name for name in template.defaults if name not in template.variables]:
        raise ProtocolError(
            f"There is a default for '{strange[0]}', which is none of the variables.", code="unknown_variable"
        )
