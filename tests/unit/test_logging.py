import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from voice_server.ops.logging import configure_logging

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("voice_server")
    before = root.handlers, root.level, own.level
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_a_message_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.stdlib.get_logger("voice_server.gateway").info("connection opened", connections=3)
    (line,) = lines(capsys)
    assert line["event"] == "connection opened"
    assert line["connections"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "voice_server.gateway"


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    structlog.stdlib.get_logger("voice_server.app").warning("model is slow to load", model="smollm2")
    text = capsys.readouterr().err
    assert "model is slow to load" in text
    assert "model=smollm2" in text
    assert not text.startswith("{")


def test_libraries_go_the_same_way_without_query_strings(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    access = logging.getLogger("uvicorn.access")
    access.warning('%s - "%s %s HTTP/1.1" %d', "127.0.0.1", "GET", "/api/search?q=my+secret&api_key=abc", 200)
    (line,) = lines(capsys)
    assert line["event"] == '127.0.0.1 - "GET /api/search?[hidden] HTTP/1.1" 200'


def test_debug_is_for_our_own_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    logging.getLogger("websockets.server").debug("< TEXT %s", "what somebody said")
    structlog.stdlib.get_logger("voice_server.session").debug("turn began")
    assert [line["event"] for line in lines(capsys)] == ["turn began"]


def test_levels_below_the_one_asked_for_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("error", "json")
    structlog.stdlib.get_logger("voice_server.session").warning("slow")
    logging.getLogger("uvicorn.error").info("started")
    structlog.stdlib.get_logger("voice_server.session").error("failed")
    assert [line["event"] for line in lines(capsys)] == ["failed"]


def test_a_second_call_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    logger = structlog.stdlib.get_logger("voice_server.app")
    configure_logging("info", "console")
    logger.info("first")
    configure_logging("info", "json")
    capsys.readouterr()
    logger.info("second")
    assert [line["event"] for line in lines(capsys)] == ["second"]


@pytest.mark.parametrize(
    "name", ["key", "api_key", "token", "resume_token", "authorization", "Authorization"]
)
def test_fields_named_like_a_secret_are_hidden(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.stdlib.get_logger("voice_server.app").info(
        "asked", **{name: "swordfish", "headers": {name: "swordfish"}, "keyboard": "qwerty"}
    )
    text = capsys.readouterr().err
    assert "swordfish" not in text
    assert "qwerty" in text


@pytest.mark.parametrize(
    "text",
    [
        "refused: sk-swordfish1234",
        "Authorization: Bearer swordfish",
        "https://host.example/v1?key=swordfish",
        "/?api_key=swordfish",
    ],
)
def test_secrets_inside_texts_are_hidden(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    logger = structlog.stdlib.get_logger("voice_server.app")
    logger.info("asked", detail=text, details=[text])
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")
    first, second = lines(capsys)
    assert "swordfish" not in json.dumps([first, second])
    assert "ValueError" in str(second["exception"])


def test_a_question_stays_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    structlog.stdlib.get_logger("voice_server.app").info("why?", remedy="Is the port free? Try 0.")
    (line,) = lines(capsys)
    assert (line["event"], line["remedy"]) == ("why?", "Is the port free? Try 0.")
