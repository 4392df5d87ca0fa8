"""Whatever is sent to the REST port, the answer is never a fault of ours."""

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.postgres import PostgresServer
from tests.wire.rig import KEY, serving

EXAMPLES = 2
# The same routes stand under /api/v1, and those of one conversation in two spellings: one of each is tried.
TWICE = ("/api/v1/", "/api/conversation/")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept_in", ["sqlite", "postgresql"])
async def test_no_request_is_a_fault_of_ours(kept_in: str, tmp_path: Path, postgres: PostgresServer) -> None:
    url = f"sqlite:///{tmp_path / 'any.db'}" if kept_in == "sqlite" else postgres.new_database()
    key = None if kept_in == "sqlite" else KEY
    headers = {"X-API-Key": key} if key else {}
    async with serving(database_url=url, api_keys=[key] if key else []) as served:
        async with httpx.AsyncClient(base_url=served.rest_url, headers=headers, trust_env=False) as http:
            reply = (await http.post("/api/chat", json={"message": "Hello"})).json()
            template = {"name": "mine", "system_prompt": "Be {tone}."}
            assert (await http.post("/api/templates", json=template)).status_code == 200
        known = {
            "conversation_id": reply["conversation_id"],
            "message_id": reply["message_id"],
            "template_name": "mine",
        }
        faults, tried = await asyncio.to_thread(try_all, served.rest_url, headers, known)
    assert faults == {}
    assert tried >= 35


@pytest.mark.timeout(300)
async def test_without_a_key_no_request_is_granted() -> None:
    async with serving(api_keys=[KEY]) as served, served.rest() as http:
        document = (await http.get("/openapi.json")).json()
        open_to_all = set()
        for path, operations in document["paths"].items():
            for method in operations:
                answer = await http.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code < 500, (method, path, answer.text)
                if answer.status_code != 401:
                    open_to_all.add(f"{method.upper()} {path}")
    assert {one for one in open_to_all if "/v1/" not in one} == {
        "GET /api/health",
        "GET /api/models",
        "GET /api/speech/providers",
        "GET /api/websocket/config",
        "POST /api/login",
        "POST /api/logout",
        "POST /api/voice/stream/{session_id}/end",
    }


def try_all(
    rest_url: str, headers: Mapping[str, str], known: Mapping[str, str]
) -> tuple[dict[str, str], int]:
    """Send what fits the document and what does not, to what is there and what is not."""
    schema = schemathesis.openapi.from_url(f"{rest_url}/openapi.json")
    faults: dict[str, str] = {}
    tried = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path.startswith(TWICE):
            continue
        tried += 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with suppress(Unsatisfiable):  # an operation that takes nothing cannot be called wrongly
                faults |= attempt(operation.as_strategy(generation_mode=mode), headers, known)
    return faults, tried


def attempt(
    cases: SearchStrategy[Any], headers: Mapping[str, str], known: Mapping[str, str]
) -> dict[str, str]:
    """Some requests; gives those that were answered by a fault of ours."""
    faults: dict[str, str] = {}
    turns = itertools.count()

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def call(case: Any) -> None:
        if next(turns) % 2:
            put_in(case, known)
        answer = case.call(headers=dict(headers))
        if answer.status_code >= 500:
            faults[case.as_curl_command()] = answer.text

    call()
    return faults


def put_in(case: Any, known: Mapping[str, str]) -> None:
    """Let the request name things that are there."""
    for place in (case.path_parameters, case.body):
        if isinstance(place, dict):
            place.update({name: value for name, value in known.items() if name in place})
