"""Python functions as tools, by the entry points `voice_server.tools`.

A function's parameters, with their types and defaults, are what the model may say, and its docstring is
what the model is told about it. It may be `async`; one that is not runs on a thread. What it gives back is
text, or anything that JSON can hold.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import pydantic
import pydantic_core

from voice_server.core.wire import ToolSpec
from voice_server.errors import ConfigurationError, ToolError
from voice_server.tools.base import Tool
from voice_server.tools.threads import Threads

GROUP = "voice_server.tools"

_MOST_THREADS = 4


class FunctionTool:
    """One function.

    Raises:
        ConfigurationError: it is no function, or one that a model could not be told about.
    """

    def __init__(self, name: str, function: Callable[..., Any], threads: Threads) -> None:
        if not callable(function):
            raise ConfigurationError(f"the tool {name!r} is not a function.")
        if not (description := inspect.getdoc(function)):
            raise ConfigurationError(
                f"the tool {name!r} has no docstring: a language model would not know what it is for."
            )
        self.spec = ToolSpec(name, description, _schema(name, function))
        self._call = pydantic.validate_call(function)
        self._is_async = inspect.iscoroutinefunction(function)
        self._threads = threads

    async def run(self, arguments: Mapping[str, Any]) -> str:
        call = partial(self._call, **arguments)
        try:
            answer = await (call() if self._is_async else self._threads.run(call))
        except pydantic.ValidationError as error:
            raise ToolError(_sentence(error)) from error
        return answer if isinstance(answer, str) else pydantic_core.to_json(answer).decode()


class Functions:
    """The `ToolSource` of the functions that the settings name.

    Raises:
        ConfigurationError: nobody offers one of them, it cannot be imported, or it is not fit to be a tool.
    """

    def __init__(self, names: Sequence[str]) -> None:
        threads = Threads(_MOST_THREADS)
        self.tools: tuple[Tool, ...] = tuple(FunctionTool(name, _load(name), threads) for name in names)

    async def open(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        """Functions that hang are left to the end of the process."""


def _load(name: str) -> Callable[..., Any]:
    offers = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in offers:
        known = ", ".join(sorted(offers)) or "none"
        raise ConfigurationError(f"no installed package offers the tool {name!r}; known are {known}.")
    try:
        function: Callable[..., Any] = offers[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the tool {name!r} cannot be imported ({error}).") from error
    return function


def _schema(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        signature: Any = function
        schema = pydantic.TypeAdapter(signature).json_schema()
    except (pydantic.errors.PydanticUserError, NameError) as error:
        raise ConfigurationError(
            f"the tool {name!r} has parameters that cannot be told to a language model ({error})."
        ) from error
    if schema.get("type") != "object":
        raise ConfigurationError(f"the tool {name!r} must take its parameters by name.")
    return schema


def _sentence(error: pydantic.ValidationError) -> str:
    faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return f"The arguments do not fit. {'; '.join(faults)}."
