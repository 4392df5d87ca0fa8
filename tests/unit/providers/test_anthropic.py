"""Anthropic's settings, errors and prompts: the rules that need no wire."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from voice_server.core.wire import ToolSpec
from voice_server.errors import ConfigurationError, ProviderError, ProviderTimeout, ProviderUnavailable
from voice_server.providers.anthropic import llm
from voice_server.providers.anthropic.errors import anthropic_error
from voice_server.providers.anthropic.messages import system_of, tools_of, turns_of
from voice_server.providers.base import ChatMessage, ToolUse

pytestmark = pytest.mark.unit

REQUEST = httpx2.Request("POST", "http://vendor.invalid/v1/messages")
BEGINNING = {"role": "user", "content": [{"type": "text", "text": "(The conversation begins.)"}]}


def said(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_key_names_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="VOICE_SERVER_VENDORS__ANTHROPIC__API_KEY"):
        llm.create({})


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="VOICE_SERVER_VENDORS__ANTHROPIC__BASE_URL is no address"):
        llm.create({"api_key": "sk", "base_url": "api.example"})


def test_an_unknown_way_of_thinking_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="THINKING must be disabled, adaptive or default"):
        llm.create({"api_key": "sk", "thinking": "deeply"})


def test_the_entry_point_leads_here() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    group = "voice_server.llm"
    create = EntryPoint("anthropic", project["entry-points"][group]["anthropic"], group).load()
    assert create({"api_key": "sk"}).name == "anthropic"


# ── Prompts ──────────────────────────────────────────────────────────────────────────────────────


def test_the_system_stands_apart() -> None:
    messages = [ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")]
    assert system_of(messages) == "Be brief."
    assert turns_of(messages) == [said("user", "Hello")]


def test_a_greeting_is_preceded_by_a_beginning() -> None:
    messages = [ChatMessage("assistant", "Welcome!"), ChatMessage("user", "Hello")]
    assert turns_of(messages) == [BEGINNING, said("assistant", "Welcome!"), said("user", "Hello")]


def test_an_empty_conversation_begins() -> None:
    assert turns_of([ChatMessage("system", "Greet the caller.")]) == [BEGINNING]


def test_the_assistant_never_has_the_last_word() -> None:
    messages = [ChatMessage("user", "Hello"), ChatMessage("assistant", "Hi, I was cut")]
    assert turns_of(messages)[-1] == said("user", "(Go on.)")


def test_empty_texts_are_left_out_and_turns_of_one_side_are_one() -> None:
    messages = [
        ChatMessage("user", "Hello"),
        ChatMessage("assistant", " "),
        ChatMessage("user", "Are you there?"),
    ]
    assert turns_of(messages) == [said("user", "Hello", "Are you there?")]


def test_the_answers_of_all_tools_are_one_turn() -> None:
    uses = (ToolUse("1", "weather", '{"place": "Rome"}'), ToolUse("2", "weather", "not JSON"))
    messages = [
        ChatMessage("user", "Rome, and there?"),
        ChatMessage("assistant", "", tool_uses=uses),
        ChatMessage("tool", "sunny", call_id="1"),
        ChatMessage("tool", "rain", call_id="2"),
    ]
    assert turns_of(messages)[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "1", "name": "weather", "input": {"place": "Rome"}},
                {"type": "tool_use", "id": "2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "2", "content": "rain"},
            ],
        },
    ]


def test_tools_are_described() -> None:
    schema = {"type": "object"}
    assert tools_of([ToolSpec("weather", "At a place.", schema)]) == [
        {"name": "weather", "description": "At a place.", "input_schema": schema}
    ]


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────


def answered(
    status: int, kind: str | None = None, headers: dict[str, str] | None = None
) -> anthropic.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    body = {"type": "error", "error": {"type": kind, "message": "secret words"}} if kind else None
    return anthropic.APIStatusError("secret words", response=response, body=body)


def unreached() -> anthropic.APIConnectionError:
    error = anthropic.APIConnectionError(request=REQUEST)
    error.__cause__ = httpx2.ConnectError("refused")
    return error


@pytest.mark.parametrize(
    ("error", "kind", "code", "retryable"),
    [
        (answered(401), ProviderUnavailable, "provider_auth", False),
        (answered(403, "permission_error"), ProviderUnavailable, "provider_auth", False),
        (answered(402, "billing_error"), ProviderUnavailable, "provider_rate_limited", False),
        (answered(429), ProviderUnavailable, "provider_rate_limited", True),
        (answered(529), ProviderUnavailable, "provider_failed", True),
        (answered(200, "overloaded_error"), ProviderUnavailable, "provider_failed", True),
        (answered(200, "rate_limit_error"), ProviderUnavailable, "provider_rate_limited", True),
        (answered(200, "api_error"), ProviderError, "provider_failed", True),
        (answered(400, "invalid_request_error"), ProviderError, "provider_failed", False),
        (answered(404, "not_found_error"), ProviderError, "provider_failed", False),
        (answered(500), ProviderError, "provider_failed", True),
        (unreached(), ProviderUnavailable, "provider_unreachable", True),
        (anthropic.APIConnectionError(request=REQUEST), ProviderError, "provider_failed", True),
        (anthropic.APITimeoutError(request=REQUEST), ProviderTimeout, "provider_timeout", True),
        (httpx2.ReadTimeout("late"), ProviderTimeout, "provider_timeout", True),
        (httpx2.RemoteProtocolError("cut"), ProviderError, "provider_failed", True),
        (ConnectionRefusedError(), ProviderUnavailable, "provider_unreachable", True),
        (EOFError(), ProviderError, "provider_failed", True),
        (ValueError(), ProviderError, "provider_bad_answer", True),
        (AttributeError(), ProviderError, "provider_bad_answer", True),
    ],
)
def test_errors_are_told_in_our_words(
    error: Exception, kind: type[ProviderError], code: str, retryable: bool
) -> None:
    ours = anthropic_error(error)
    assert (type(ours), ours.code, ours.retryable, ours.stage) == (kind, code, retryable, "llm")
    assert "secret" not in ours.message


def test_how_long_to_wait_is_kept() -> None:
    assert anthropic_error(answered(429, headers={"retry-after": "7"})).retry_after_s == 7.0
    assert anthropic_error(answered(529, headers={"retry-after": "2"})).retry_after_s == 2.0
