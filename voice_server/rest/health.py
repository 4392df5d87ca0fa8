"""`GET /api/health`: is it serving, are the models ready."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from voice_server import __version__
from voice_server.rest.context import RestContext


class Health(BaseModel):
    """`ready` turns true once every stage of the default chain is warm. `providers`: `ok` or `troubled`."""

    status: Literal["ok"] = "ok"
    service: str = "AI Chat SDK Platform"
    version: str = __version__
    ready: bool
    stages: dict[str, str]
    sessions: int
    providers: dict[str, dict[str, str]]


def health_routes(context: RestContext) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> Health:
        """Whether the server serves, and how far its models are. Needs no key."""
        return Health(
            ready=context.readiness.is_ready,
            stages=context.readiness.stages,
            sessions=context.live_sessions(),
            providers={stage: dict(of) for stage, of in context.discovery.status().items()},
        )

    return router
