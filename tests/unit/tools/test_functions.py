"""Python functions, told to a model and called by it."""

import asyncio
import threading
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from voice_server.errors import ConfigurationError
from voice_server.tools.box import ToolBox
from voice_server.tools.functions import GROUP, Functions, FunctionTool
from voice_server.tools.http import Endpoint, HttpTools
from voice_server.tools.threads import Threads

pytestmark = pytest.mark.unit


def forecast(place: Annotated[str, Field(description="a town")], days: int = 1) -> dict[str, Any]:
    """Tell the weather.

    Only of towns.
    """
    return {"place": place, "days": days, "thread": threading.current_thread().name}


async def nothing() -> None:
    """Do nothing."""


def silent(place: str) -> str:
    return place


def by_place(place: str, /) -> str:
    """Take what has no name."""
    return place


def of_a_kind_nobody_knows(what: threading.Lock) -> str:
    """Take what no JSON holds."""
    return str(what)


def tool(function: Any, name: str = "it") -> FunctionTool:
    return FunctionTool(name, function, Threads(1))


def test_what_the_model_is_told() -> None:
    spec = tool(forecast, "weather").spec
    assert (spec.name, spec.description) == ("weather", "Tell the weather.\n\nOnly of towns.")
    assert spec.parameters["properties"] == {
        "place": {"type": "string", "title": "Place", "description": "a town"},
        "days": {"type": "integer", "title": "Days", "default": 1},
    }
    assert spec.parameters["required"] == ["place"]


async def test_what_it_gives_back_is_text_for_the_model() -> None:
    assert await tool(forecast).run({"place": "Rome"}) == '{"place":"Rome","days":1,"thread":"tool"}'
    assert await tool(nothing).run({}) == "null"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (silent, "has no docstring"),
        (by_place, "must take its parameters by name"),
        (of_a_kind_nobody_knows, "has parameters that cannot be told"),
        ("text", "is not a function"),
    ],
)
def test_what_is_not_fit_to_be_a_tool_is_one_sentence(function: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the tool 'it' {sentence}"):
        tool(function)


def test_what_cannot_be_imported_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tmp_path / "broken-1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", "utf-8")
    (found / "entry_points.txt").write_text(f"[{GROUP}]\nweather = no_such_module:forecast\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="the tool 'weather' cannot be imported"):
        Functions(["weather"])


def test_two_tools_of_one_name_are_one_too_many() -> None:
    weather = HttpTools([Endpoint("weather", "Tells the weather.", "https://weather.example/")], 1_000, 1)
    with pytest.raises(ConfigurationError, match="two tools have the name 'weather'"):
        ToolBox([weather, weather])


async def test_a_function_that_hangs_keeps_its_thread_and_no_more() -> None:
    threads, gate = Threads(1), threading.Event()
    hung = asyncio.create_task(threads.run(gate.wait))
    await asyncio.sleep(0)
    hung.cancel()
    waiting = asyncio.create_task(threads.run(lambda: "free"))
    await asyncio.sleep(0.05)
    assert hung.cancelled() and not waiting.done()
    gate.set()
    assert await waiting == "free"


async def test_what_a_function_raises_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await Threads(1).run(lambda: 1 // 0)


async def test_sources_are_closed_side_by_side() -> None:
    all_are_closing = asyncio.Barrier(3)

    class Slow:
        tools = ()

        async def open(self) -> None: ...

        async def close(self) -> None:
            await all_are_closing.wait()

    async with asyncio.timeout(5), ToolBox([Slow(), Slow(), Slow()]).running():
        pass
