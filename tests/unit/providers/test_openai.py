"""OpenAI's settings, errors and items: the rules that need no wire."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus
from websockets.http11 import Response

from voice_server.errors import ConfigurationError, ProviderError, ProviderTimeout, ProviderUnavailable
from voice_server.providers.base import SttHints
from voice_server.providers.openai import llm, stt, tts
from voice_server.providers.openai.errors import EventError, openai_error
from voice_server.providers.openai.items import Items
from voice_server.providers.openai.languages import language_fields
from voice_server.providers.openai.options import OpenAiOptions
from voice_server.providers.openai.realtime import RealtimeSpeechToText
from voice_server.providers.segmented import SegmentedSpeechToText

pytestmark = pytest.mark.unit

REQUEST = httpx2.Request("POST", "http://vendor.invalid/v1")
OPTIONS = OpenAiOptions(api_key="sk-secret")


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("create", [llm.create, stt.create, tts.create])
@pytest.mark.parametrize("options", [{}, {"api_key": ""}, {"api_key": None}])
def test_a_missing_key_names_its_setting(create: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="VOICE_SERVER_VENDORS__OPENAI__API_KEY"):
        create(options)


def test_a_server_of_ones_own_needs_no_key_and_has_its_own_name() -> None:
    model = llm.create({"name": "vllm", "base_url": "http://gpu:8000/v1/", "model": "qwen3-8b"})
    assert (model.name, model.title, model.model) == ("vllm", "vllm qwen3-8b", "qwen3-8b")


@pytest.mark.parametrize("base_url", ["gpu:8000", "ftp://gpu/v1", "http://"])
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="VOICE_SERVER_VENDORS__VLLM__BASE_URL is no address"):
        llm.create({"name": "vllm", "base_url": base_url})


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, RealtimeSpeechToText),
        ({"transport": "http"}, SegmentedSpeechToText),
        ({"base_url": "http://gpu:8000/v1"}, SegmentedSpeechToText),
        ({"base_url": "http://gpu:8000/v1", "transport": "realtime"}, RealtimeSpeechToText),
    ],
)
def test_speech_is_streamed_to_openai_and_sent_in_clips_to_others(
    options: dict[str, Any], kind: type
) -> None:
    assert isinstance(stt.create({"api_key": "sk", **options}), kind)


def test_an_unknown_transport_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="__STT_TRANSPORT must be http or realtime"):
        stt.create({"api_key": "sk", "transport": "pigeon"})


def test_the_models_of_the_three_roles_are_set_apart() -> None:
    options = {"api_key": "sk", "model": "gpt-x", "stt_model": "ears-x", "tts_model": "mouth-x"}
    titles = [create(options).title for create in (llm.create, stt.create, tts.create)]
    assert titles == ["OpenAI gpt-x", "OpenAI ears-x", "OpenAI mouth-x"]


def test_the_voice_that_is_set_comes_first_even_if_it_is_nobodys() -> None:
    voices = tts.create({"api_key": "sk", "voice": "voice_1234"}).capabilities.voices
    assert [voices[0].id, voices[0].gender, len(voices)] == ["voice_1234", "neutral", 14]


def test_the_older_models_lack_the_newer_voices() -> None:
    voices = tts.create({"api_key": "sk", "tts_model": "tts-1-hd"}).capabilities.voices
    assert "alloy" in {voice.id for voice in voices}
    assert not {"ballad", "cedar", "marin", "verse"} & {voice.id for voice in voices}


def test_another_servers_voices_replace_ours() -> None:
    options = {"name": "kokoro", "base_url": "http://gpu:8880/v1", "voices": ["af_sky", "am_adam"]}
    voices = tts.create(options).capabilities.voices
    assert [(voice.id, voice.provider) for voice in voices] == [("af_sky", "kokoro"), ("am_adam", "kokoro")]


@pytest.mark.parametrize("role", ["stt", "llm", "tts"])
def test_the_entry_points_lead_here(role: str) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    group = f"voice_server.{role}"
    create = EntryPoint("openai", project["entry-points"][group]["openai"], group).load()
    assert create({"api_key": "sk"}).name == "openai"


def test_the_sdk_is_not_loaded_before_it_is_needed() -> None:
    program = """
import sys
from voice_server.providers.anthropic import llm as claude
from voice_server.providers.openai import llm, stt, tts
for create in (llm.create, stt.create, tts.create, claude.create):
    create({"api_key": "sk"})
assert not {"openai", "anthropic", "httpx2"} & set(sys.modules), "loaded too early"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────


def answered(
    status: int, headers: dict[str, str] | None = None, body: object = None
) -> openai.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    return openai.APIStatusError("secret words", response=response, body=body)


def shaken(status: int) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers({"Retry-After": "3"})))


def unreached() -> openai.APIConnectionError:
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = httpx2.ConnectError("refused")
    return error


@pytest.mark.parametrize(
    ("error", "kind", "code", "retryable"),
    [
        (answered(401), ProviderUnavailable, "provider_auth", False),
        (answered(403), ProviderUnavailable, "provider_auth", False),
        (answered(429), ProviderUnavailable, "provider_rate_limited", True),
        (answered(400), ProviderError, "provider_failed", False),
        (answered(404), ProviderError, "provider_failed", False),
        (answered(500), ProviderError, "provider_failed", True),
        (answered(503), ProviderError, "provider_failed", True),
        (shaken(401), ProviderUnavailable, "provider_auth", False),
        (shaken(429), ProviderUnavailable, "provider_rate_limited", True),
        (shaken(502), ProviderError, "provider_failed", True),
        (unreached(), ProviderUnavailable, "provider_unreachable", True),
        (openai.APIConnectionError(request=REQUEST), ProviderError, "provider_failed", True),
        (openai.APITimeoutError(request=REQUEST), ProviderTimeout, "provider_timeout", True),
        (httpx2.ReadTimeout("late"), ProviderTimeout, "provider_timeout", True),
        (httpx2.ReadError("cut"), ProviderError, "provider_failed", True),
        (httpx2.ConnectError("refused"), ProviderUnavailable, "provider_unreachable", True),
        (ConnectionRefusedError(), ProviderUnavailable, "provider_unreachable", True),
        (TimeoutError(), ProviderTimeout, "provider_timeout", True),
        (ConnectionClosedError(None, None), ProviderError, "provider_failed", True),
        (InvalidMessage("no HTTP"), ProviderError, "provider_bad_answer", True),
        (EOFError(), ProviderError, "provider_failed", True),
        (ValueError(), ProviderError, "provider_bad_answer", True),
        (KeyError(), ProviderError, "provider_bad_answer", True),
        (
            openai.APIError("in a stream", REQUEST, body={"type": "server_error"}),
            ProviderError,
            "provider_failed",
            True,
        ),
        (EventError({"code": "invalid_api_key"}), ProviderUnavailable, "provider_auth", False),
        (EventError({"code": "rate_limit_exceeded"}), ProviderUnavailable, "provider_rate_limited", True),
        (EventError({"type": "invalid_request_error"}), ProviderError, "provider_failed", False),
        (EventError("no object"), ProviderError, "provider_failed", True),
    ],
)
def test_errors_are_told_in_our_words(
    error: Exception, kind: type[ProviderError], code: str, retryable: bool
) -> None:
    ours = openai_error(error, "tts", OPTIONS)
    assert (type(ours), ours.code, ours.retryable, ours.stage) == (kind, code, retryable, "tts")
    assert "secret" not in ours.message


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Fri, 21 Nov 2026 04:00:00 GMT"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_kept(headers: dict[str, str], after_s: float | None) -> None:
    assert openai_error(answered(429, headers), "llm", OPTIONS).retry_after_s == after_s


@pytest.mark.parametrize(
    "error",
    [
        answered(429, body={"code": "insufficient_quota", "type": "insufficient_quota"}),
        EventError({"code": "insufficient_quota"}),
    ],
)
def test_an_account_without_credit_is_not_asked_again(error: Exception) -> None:
    ours = openai_error(error, "llm", OPTIONS)
    assert (ours.code, ours.retryable) == ("provider_rate_limited", False)
    assert "credit" in ours.message


def test_a_server_of_ones_own_is_called_by_its_name() -> None:
    options = OpenAiOptions(api_key="none", base_url="http://gpu:8000/v1", name="vllm")
    assert openai_error(unreached(), "llm", options).message == (
        "vllm cannot be reached; check the network, and VOICE_SERVER_VENDORS__VLLM__BASE_URL if it is set."
    )


# ── Items ────────────────────────────────────────────────────────────────────────────────────────


def test_a_mark_waits_for_the_commits_before_it() -> None:
    items = Items()
    items.commit()
    items.ask(1)
    assert items.answered() == []
    items.committed("a")
    items.add("a", "Hel")
    assert (items.answered(), items.text("en")) == ([], "Hel")
    items.complete("a", "Hello.")
    assert (items.answered(), items.text("en")) == ([1], "Hello.")
    assert items.answered() == []


def test_items_that_are_understood_out_of_order_are_joined_in_order() -> None:
    items = Items()
    for mark, item_id in ((1, "a"), (2, "b")):
        items.commit()
        items.ask(mark)
        items.committed(item_id)
    items.complete("b", "there.")
    assert items.answered() == []
    items.complete("a", "Hello")
    assert (items.answered(), items.text("en")) == ([1, 2], "Hello there.")


def test_a_mark_without_a_commit_is_answered_at_once() -> None:
    items = Items()
    items.ask(1)
    assert (items.answered(), items.text("en")) == ([1], "")


def test_a_late_piece_of_a_complete_item_is_not_added() -> None:
    items = Items()
    items.commit()
    items.complete("a", "Hello.")
    items.add("a", "lo.")
    assert items.text("en") == "Hello."


def test_japanese_is_joined_without_spaces() -> None:
    items = Items()
    items.complete("a", "今日は")
    items.complete("b", "晴れ")
    assert items.text("ja-JP") == "今日は晴れ"


@pytest.mark.parametrize(("tag", "iso"), [("de-DE", "de"), ("EN", "en"), ("zh-Hant-TW", "zh")])
def test_the_language_is_shortened(tag: str, iso: str) -> None:
    assert language_fields("whisper-1", SttHints(tag)) == {"language": iso}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gpt-transcribe", {"languages": ["de"]}),
        ("gpt-live-transcribe", {"languages": ["de"]}),
        ("gpt-4o-transcribe", {"language": "de"}),
        ("whisper-1", {"language": "de"}),
    ],
)
def test_the_language_is_given_as_the_model_takes_it(model: str, fields: dict[str, Any]) -> None:
    assert language_fields(model, SttHints("de-DE")) == fields
    assert language_fields(model, SttHints()) == {}


def test_of_several_languages_only_some_models_can_be_told() -> None:
    hints = SttHints(None, ("de-DE", "de-AT", "en-US"))
    assert language_fields("gpt-transcribe", hints) == {"languages": ["de", "en"]}
    assert language_fields("gpt-4o-transcribe", hints) == {}
