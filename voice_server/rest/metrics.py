"""`GET /metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response

from voice_server.rest.context import RestContext
from voice_server.rest.identity import identifier

_THIS_MACHINE = ("127.0.0.1", "::1")
_PROXIED = ("x-forwarded-for", "forwarded", "x-real-ip")


def metrics_routes(context: RestContext) -> APIRouter:
    """The route; none if nobody may read it."""
    router = APIRouter()
    exposition = context.exposition
    if exposition is None:
        return router
    identify = identifier(context, counted=False)

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """The server's counts and times. They are nobody's secret, but no stranger's business."""
        if not exposition.is_open and not _is_local(request):
            await identify(request)
        return Response(exposition.read(), media_type=exposition.media_type)

    return router


def _is_local(request: Request) -> bool:
    """Whether it comes from this machine itself, and not through a proxy on it."""
    is_proxied = any(name in request.headers for name in _PROXIED)
    return request.client is not None and request.client.host in _THIS_MACHINE and not is_proxied
