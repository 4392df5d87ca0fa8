"""Prompt templates: the built-in ones, and one's own."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints

from voice_server.core.caller import Caller
from voice_server.rest.context import RestContext
from voice_server.rest.fields import LongText, Name, PathName, Text
from voice_server.rest.identity import identifier
from voice_server.services.templates import variables_of
from voice_server.store.templates import Template

TemplateName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class TemplateSummary(BaseModel):
    """A template in a list."""

    id: str
    name: str
    display_name: str
    description: str
    is_builtin: bool


class TemplateInfo(TemplateSummary):
    """A template. A variable without a default must be given; `tools`: the only ones allowed with it."""

    system_prompt: str
    variables: list[str]
    defaults: dict[str, str]
    example_usage: str
    tools: list[str] | None


class TemplateList(BaseModel):
    """Every template one may use, the built-in ones first."""

    templates: list[TemplateSummary]


class TemplateContent(BaseModel):
    """What a template says. `variables` are those in braces in the prompt, unless only some are named."""

    display_name: Name | None = None
    description: Text = ""
    system_prompt: Annotated[LongText, Field(min_length=1)]
    variables: Annotated[list[Variable], Field(max_length=100)] | None = None
    defaults: dict[Variable, Text] = Field(default_factory=dict, max_length=100)
    example_usage: Text = ""
    tools: Annotated[list[Name], Field(max_length=100)] | None = None


class TemplateRequest(TemplateContent):
    """A template to make."""

    name: TemplateName


class TemplateDeleted(BaseModel):
    """It is gone."""

    status: Literal["success"] = "success"
    message: str


def template_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["templates"])
    templates = context.templates
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.get("/templates")
    async def list_templates(caller: Identified) -> TemplateList:
        """The built-in templates and one's own."""
        found = await templates.all(caller.owner)
        return TemplateList(templates=[_summary(one) for one in found])

    @router.get("/template/{template_name}")
    @router.get("/templates/{template_name}")
    async def get_template(template_name: PathName, caller: Identified) -> TemplateInfo:
        """A template with its prompt and variables."""
        return _info(await templates.get(caller.owner, template_name))

    @router.post("/templates")
    async def create_template(wish: TemplateRequest, caller: Identified) -> TemplateInfo:
        """Make a template."""
        template = _template(wish.name, wish)
        await templates.create(caller.owner, template)
        return _info(template)

    @router.put("/templates/{template_name}")
    async def replace_template(
        template_name: PathName, wish: TemplateContent, caller: Identified
    ) -> TemplateInfo:
        """Change one of one's own, all of it. Conversations that use it follow with their next turn."""
        replaced = await templates.replace(caller.owner, _template(template_name, wish))
        return _info(replaced)

    @router.delete("/templates/{template_name}")
    async def delete_template(template_name: PathName, caller: Identified) -> TemplateDeleted:
        """Delete one of one's own."""
        await templates.delete(caller.owner, template_name)
        return TemplateDeleted(message="Template deleted successfully")

    return router


def _template(name: str, wish: TemplateContent) -> Template:
    return Template(
        name=name,
        display_name=wish.display_name or name.replace("_", " ").title(),
        description=wish.description,
        system_prompt=wish.system_prompt,
        variables=tuple(dict.fromkeys(wish.variables))
        if wish.variables is not None
        else variables_of(wish.system_prompt),
        defaults=wish.defaults,
        example_usage=wish.example_usage,
        tools=wish.tools,
    )


def _summary(one: Template) -> TemplateSummary:
    return TemplateSummary(
        id=one.id,
        name=one.name,
        display_name=one.display_name,
        description=one.description,
        is_builtin=one.is_builtin,
    )


def _info(one: Template) -> TemplateInfo:
    return TemplateInfo(
        id=one.id,
        name=one.name,
        display_name=one.display_name,
        description=one.description,
        is_builtin=one.is_builtin,
        system_prompt=one.system_prompt,
        variables=list(one.variables),
        defaults=dict(one.defaults),
        example_usage=one.example_usage,
        tools=None if one.tools is None else list(one.tools),
    )
