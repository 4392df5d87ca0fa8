"""What a caller may use: features by tier, layouts, agents."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from voice_server.core.caller import Caller
from voice_server.rest.context import RestContext
from voice_server.rest.identity import identifier
from voice_server.services.features import FEATURES, is_enabled
from voice_server.services.layouts import LAYOUTS


class FeatureInfo(BaseModel):
    """A feature, and whether this caller may use it."""

    id: str
    name: str
    enabled: bool


class FeatureList(BaseModel):
    """Every feature."""

    features: list[FeatureInfo]


class LayoutInfo(BaseModel):
    """A way to lay a reply out."""

    id: str
    name: str
    description: str


class LayoutList(BaseModel):
    """Every layout that `layout` of a chat completion may name."""

    layouts: list[LayoutInfo]


class AgentInfo(BaseModel):
    """An agent."""

    id: str
    name: str


class AgentList(BaseModel):
    """The agents that this caller has."""

    agents: list[AgentInfo]


def feature_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["discovery"])
    Identified = Annotated[Caller, Depends(identifier(context))]

    @router.get("/available_features")
    async def available_features(caller: Identified) -> FeatureList:
        """What the server has and the key's tier includes."""
        return FeatureList(
            features=[
                FeatureInfo(id=one.id, name=one.name, enabled=is_enabled(one, context.features, caller.tier))
                for one in FEATURES
            ]
        )

    @router.get("/layouts")
    async def list_layouts(caller: Identified) -> LayoutList:
        """How a reply may be laid out."""
        return LayoutList(
            layouts=[
                LayoutInfo(id=name, name=name, description=description)
                for name, description in LAYOUTS.items()
            ]
        )

    @router.get("/agents")
    async def list_agents(caller: Identified) -> AgentList:
        """The agents one may use; this server has none."""
        return AgentList(agents=[])

    return router
