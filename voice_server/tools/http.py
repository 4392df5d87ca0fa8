"""HTTP endpoints as tools."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from voice_server.core.wire import ToolSpec
from voice_server.errors import ToolError

if TYPE_CHECKING:
    import httpx

_PLACE = re.compile(r"\{(\w+)\}")
_EXCERPT_BYTES = 500  # of the body of an error: it may tell the model what to do better
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a tool is. `{name}` in the address is an argument's place in its path or query.

    The other arguments go as a query with `GET` and `DELETE`, as a JSON body otherwise. `headers` may hold
    secrets.
    """

    name: str
    description: str
    url: str
    method: str = "GET"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpTool:
    """One endpoint. `most_bytes` of its answer are read. No redirect is followed."""

    def __init__(self, endpoint: Endpoint, source: "HttpTools", most_bytes: int) -> None:
        schema = {"type": "object", "properties": {}, **endpoint.parameters}
        self.spec = ToolSpec(endpoint.name, endpoint.description, schema)
        self._endpoint = endpoint
        self._source = source
        self._most_bytes = most_bytes

    async def run(self, arguments: Mapping[str, Any]) -> str:
        import httpx

        endpoint, rest = self._endpoint, dict(arguments)
        written = _PLACE.sub(lambda place: _within_address(place[1], rest), endpoint.url)
        has_body = endpoint.method not in ("GET", "DELETE")
        try:
            url = httpx.URL(written)
            if not has_body:
                url = url.copy_merge_params({name: _as_query(value) for name, value in rest.items()})
            async with self._source.client.stream(
                endpoint.method,
                url,
                headers=dict(endpoint.headers),
                json=rest if has_body else None,
            ) as response:
                if response.is_redirect:
                    raise ToolError("The service sends elsewhere, and redirects are not followed.")
                if response.is_success:
                    return await _read(response, self._most_bytes + 1)
                excerpt = await _read(response, _EXCERPT_BYTES)
                raise ToolError(f"The service answered {response.status_code}. {excerpt}".strip())
        except httpx.TimeoutException as error:
            raise ToolError("The service did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ToolError("The service cannot be reached.") from error


class HttpTools:
    """The `ToolSource` of the endpoints that the settings name; they share one client.

    Args:
        silence_s: how long an endpoint may say nothing.
    """

    def __init__(self, endpoints: Sequence[Endpoint], most_bytes: int, silence_s: float) -> None:
        self.tools = tuple(HttpTool(endpoint, self, most_bytes) for endpoint in endpoints)
        self._silence_s = silence_s
        self._client: httpx.AsyncClient | None = None

    @property
    def client(self) -> "httpx.AsyncClient":
        """The one client; it is made when it is first needed."""
        if self._client is None:
            import httpx

            timeout = httpx.Timeout(self._silence_s, connect=_CONNECT_S)
            # `settings` alone reads the environment: no proxies and no .netrc from there.
            self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)
        return self._client

    async def open(self) -> None:
        """Connections are made by calls."""

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _within_address(name: str, arguments: dict[str, Any]) -> str:
    """An argument as a part of an address, from which it can lead nowhere else."""
    if name not in arguments:
        raise ToolError(f"The argument {name!r} is missing.")
    value = _as_query(arguments.pop(name))
    if value in ("", ".", ".."):
        raise ToolError(f"The argument {name!r} cannot be {value!r}.")
    return quote(value, safe="")


def _as_query(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return ""
        case list():
            return ",".join(map(_as_query, value))
        case _:
            return str(value)


async def _read(response: "httpx.Response", most_bytes: int) -> str:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) >= most_bytes:
            break
    return bytes(body[:most_bytes]).decode(response.encoding or "utf-8", errors="replace")
