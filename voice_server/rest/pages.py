"""The talk page, the widget, and the API's documentation; all from files of ours, no other host."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import swagger_ui_bundle
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

WEB = Path(__file__).parent.parent / "web"

PAGE_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss: http: https:; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
DASHBOARD_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# Swagger UI sets styles and starts itself by a script in the page.
_DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:"
)
_EMBEDDABLE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_FRESH = {"Cache-Control": "no-cache"}  # revalidated by ETag, so that no page runs with older modules


class _Folder(StaticFiles):
    """Files with these headers."""

    def __init__(self, directory: Path, headers: dict[str, str]) -> None:
        super().__init__(directory=directory)
        self._headers = headers

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        response.headers.update(self._headers)
        return response


def page_routes(app: FastAPI) -> APIRouter:
    """The routes, and the mounted folders."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def talk_page() -> FileResponse:
        headers = {
            "Content-Security-Policy": PAGE_POLICY,
            "Permissions-Policy": "microphone=(self)",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return FileResponse(WEB / "index.html", headers=headers | _FRESH)

    @router.get("/dashboard")
    async def dashboard() -> FileResponse:
        headers = {
            "Content-Security-Policy": DASHBOARD_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return FileResponse(WEB / "dashboard.html", headers=headers | _FRESH)

    @router.get("/widget.js")
    async def widget() -> FileResponse:
        return FileResponse(WEB / "widget.js", media_type="text/javascript", headers=_EMBEDDABLE | _FRESH)

    for name in ("page.css", "page.js", "favicon.svg", "dashboard.css", "dashboard.js"):
        router.add_api_route(f"/{name}", _file(name), response_class=FileResponse)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="voice_server API",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/favicon.svg",
        )
        page.headers["Content-Security-Policy"] = _DOCS_POLICY
        return page

    app.mount("/dashboard/modules", _Folder(WEB / "dashboard", _FRESH))
    app.mount("/docs/assets", StaticFiles(directory=swagger_ui_bundle.swagger_ui_path))
    app.mount("/widget", _Folder(WEB / "widget", _EMBEDDABLE | _FRESH))
    return router


def _file(name: str) -> Callable[[], Awaitable[FileResponse]]:
    async def send() -> FileResponse:
        return FileResponse(WEB / name, headers=_FRESH)

    return send
