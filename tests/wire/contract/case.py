"""One vendor in one role, ready for the contract: a fake of it, and our provider that speaks with the fake.

Each vendor has a module `<vendor>_cases.py` beside this one with any of `STT`, `LLM` and `TTS`: tuples of
cases. The test modules find them by name.
"""

import asyncio
import importlib
import pkgutil
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest

import tests.wire.contract
from voice_server.errors import ProviderError, ProviderUnavailable, Stage
from voice_server.fakes.asgi import AsgiFake
from voice_server.fakes.script import PATIENCE_S, RETRY_AFTER_S, Fake, Fault, Script
from voice_server.providers.base import LanguageModel, Provider, SpeechToText, TextToSpeech

KEY = "sk-contract-0123456789"
"""The key every case gives its provider: it must arrive at the fake, and appear in no error."""

ProviderT = TypeVar("ProviderT", bound=Provider)

MOST_CUT_MS = 1_000
"""100 on a quiet machine; others work here too."""

FAILURES: Mapping[Fault, frozenset[str]] = {
    Fault.REFUSED: frozenset({"provider_unreachable"}),
    Fault.REJECTED_KEY: frozenset({"provider_auth"}),
    Fault.RATE_LIMITED: frozenset({"provider_rate_limited"}),
    Fault.BROKEN: frozenset({"provider_failed"}),
    Fault.GARBAGE: frozenset({"provider_bad_answer"}),
    Fault.DROP: frozenset({"provider_failed", "provider_unreachable"}),
}
"""The faults that end a call, and the codes a caller may be told."""


@dataclass(frozen=True)  # with slots, `SttCase(...)` could not be called
class Case(Generic[ProviderT]):
    """`serve` opens the fake, `make` makes a provider that calls it there with `KEY`.

    `german`: what the hint `de-DE` is called on this vendor's wire, None where the role has no such field.
    `codes` replaces what `FAILURES` says; an empty set there leaves the fault out, for a wire that cannot
    have it (say why beside it). `says_retry_after`: whether the wire can say it.
    """

    name: str
    serve: Callable[[Script], AbstractAsyncContextManager[Fake]]
    make: Callable[[str], ProviderT]
    german: str | None = None
    codes: Mapping[Fault, frozenset[str]] = field(default_factory=dict)
    says_retry_after: bool = True

    def codes_of(self, fault: Fault) -> frozenset[str]:
        """The codes a caller may be told."""
        return self.codes.get(fault, FAILURES[fault])


SttCase = Case[SpeechToText]
LlmCase = Case[LanguageModel]
TtsCase = Case[TextToSpeech]


@dataclass(frozen=True, slots=True)
class Bench(Generic[ProviderT]):
    """A provider, its fake, and what the fake is told."""

    provider: ProviderT
    fake: Fake
    script: Script


def every(role: str) -> list[Any]:
    """All vendors' cases of a role (`STT`, `LLM`, `TTS`), as pytest's parameters."""
    modules = sorted(
        module.name
        for module in pkgutil.iter_modules(tests.wire.contract.__path__)
        if module.name.endswith("_cases")
    )
    cases = [
        case
        for name in modules
        for case in getattr(importlib.import_module(f"tests.wire.contract.{name}"), role, ())
    ]
    return [pytest.param(case, id=case.name) for case in cases]


def every_failure(role: str) -> list[Any]:
    """All cases of a role with every fault that ends a call."""
    return [
        pytest.param(*one.values, fault, id=f"{one.id}-{fault}")
        for one in every(role)
        for fault in FAILURES
        if one.values[0].codes_of(fault)
    ]


class Cut:
    """Measures from when a call is given up to when the vendor sees that it is over."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._told_s = time.perf_counter()

    async def seen(self) -> None:
        """Wait until the vendor has seen it; soon enough for a noisy machine."""
        await self._fake.seen.until(lambda seen: seen.under_way == 0)
        took_ms = (self._fake.seen.ended_s - self._told_s) * 1000
        print(f"the vendor saw it after {took_ms:.1f} ms")  # pytest -rP
        assert 0 < took_ms < MOST_CUT_MS


@asynccontextmanager
async def bench(case: Case[ProviderT], script: Script | None = None) -> AsyncIterator[Bench[ProviderT]]:
    """A fake and a provider that calls it; both are closed at the end, and nothing of them may be left."""
    script = script or Script()
    before = asyncio.all_tasks()
    async with case.serve(script) as fake:
        if script.fault is Fault.REFUSED:
            provider = case.make(f"127.0.0.1:{unused_port()}")
        else:
            provider = case.make(fake.address)
        try:
            yield Bench(provider, fake, script)
            # Before the provider is closed: no call may outlive the one who made it.
            await fake.seen.until(lambda seen: seen.under_way == 0)
        finally:
            await provider.close()
        if isinstance(fake, AsgiFake):
            await fake.until_left()  # no socket is left open
    await _until_gone(before)


async def _until_gone(before: set[asyncio.Task[Any]]) -> None:
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=PATIENCE_S)
    assert not {task for task in asyncio.all_tasks() - before if not task.done()}, "tasks were left behind"


def unused_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def assert_is_ours(error: ProviderError, case: Case[Any], fault: Fault, stage: Stage) -> None:
    """What every failure has to be, whoever the vendor is."""
    assert error.code in case.codes_of(fault)
    assert error.stage == stage
    assert error.__cause__ is not None
    assert KEY not in error.message
    assert error.retryable is (fault is not Fault.REJECTED_KEY)
    if fault in (Fault.REFUSED, Fault.REJECTED_KEY, Fault.RATE_LIMITED):
        assert isinstance(error, ProviderUnavailable)
    if fault is Fault.RATE_LIMITED and case.says_retry_after:
        assert error.retry_after_s == RETRY_AFTER_S
