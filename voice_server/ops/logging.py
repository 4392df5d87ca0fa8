"""Log lines: a static message and fields, for people (console) or machines (JSON), on standard error.

What libraries log by the standard `logging` goes the same way. A secret may reach a line in a library's
message or an exception's text, so every line is cleaned last: fields named like a secret, keys that look like
`sk-…`, bearer tokens and the query strings of URLs and paths do not leave the process.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_HIDDEN = "[hidden]"
_SECRET_FIELD = re.compile(r"(?:^|_)(key|token|authorization|password|secret|cookie)s?$", re.IGNORECASE)
_SECRETS_IN_TEXT = (
    (re.compile(r"\bsk-[\w-]{4,}"), "sk-" + _HIDDEN),
    (re.compile(r"\b(Bearer|Basic) +[\w.~+/=-]+", re.IGNORECASE), r"\1 " + _HIDDEN),
    (re.compile(r"(?<=[\w/])\?[\w.%-]+=[^\s\"'<>]*"), "?" + _HIDDEN),
)


def configure_logging(
    level: Literal["debug", "info", "warning", "error"], format: Literal["console", "json"]
) -> None:
    """Set up logging for the whole process. Calling it again replaces what was set up before.

    `level` is for our own lines. Libraries say `warning` at the most: below that they tell of every
    connection, and show frames, which hold keys and what people said.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # so that a second call takes effect
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    own = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(own, logging.WARNING))
    logging.getLogger("voice_server").setLevel(own)
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error", "websockets"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hide secrets in the fields and the message of one line."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: object) -> object:
    if _SECRET_FIELD.search(name):
        return _HIDDEN
    match value:
        case str():
            for pattern, replacement in _SECRETS_IN_TEXT:
                value = pattern.sub(replacement, value)
            return value
        case dict():
            return {key: _clean(str(key), item) for key, item in value.items()}
        case list() | tuple():
            return [_clean("", item) for item in value]
        case _:
            return value
