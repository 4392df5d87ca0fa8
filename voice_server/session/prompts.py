"""Puts the system prompt in the place of the template that was wished for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from voice_server.core.wire import Changes
from voice_server.errors import NotFoundError, ProtocolError, StoreError

ALL_TOOLS = ("*",)


class Prompt(Protocol):
    """What a template makes. `tools`: the only ones allowed with it; None leaves that open."""

    @property
    def system_prompt(self) -> str: ...
    @property
    def tools(self) -> Sequence[str] | None: ...


class Templates(Protocol):
    """Every owner's templates."""

    async def render(self, owner: str, name: str, variables: Mapping[str, str]) -> Prompt:
        """The prompt of a template with these variables.

        Raises:
            NotFoundError: there is no such template.
            ProtocolError: the variables are not the template's.
        """
        ...


async def with_prompt(changes: Changes, templates: Templates | None, owner: str) -> Changes:
    """The changes with the template's prompt; a prompt of their own wins.

    A template that cannot be found stays in, so that it can be told of.

    Raises:
        ProtocolError: the variables are not the template's.
    """
    if changes.template is None or templates is None:
        return changes
    try:
        prompt = await templates.render(owner, changes.template.name, changes.template.variables)
    except (NotFoundError, StoreError):
        return changes
    return replace(
        changes,
        template=None,
        system_prompt=changes.system_prompt or prompt.system_prompt,
        allowed_tools=ALL_TOOLS if prompt.tools is None else tuple(prompt.tools),
    )


async def with_own_prompt(wishes: Changes, templates: Templates | None, owner: str) -> Changes:
    """The same for a conversation's own wishes: a template that is no longer what it was is passed over."""
    try:
        rendered = await with_prompt(wishes, templates, owner)
    except ProtocolError:
        rendered = wishes
    return replace(rendered, template=None)


def own_prompt(default: str, changes: Changes) -> Changes:
    """The prompt that a session brings along: what its caller wished for, else the server's."""
    return replacing(Changes(system_prompt=default, allowed_tools=ALL_TOOLS), changes)


def replacing(own: Changes, wishes: Changes) -> Changes:
    """The session's prompt, or the other one in its place where there is one; and the other's model."""
    if wishes.system_prompt is None:
        return replace(own, model=wishes.model)
    return replace(
        own,
        model=wishes.model,
        system_prompt=wishes.system_prompt,
        allowed_tools=wishes.allowed_tools or own.allowed_tools,
    )
