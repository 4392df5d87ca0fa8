"""A recorded session for people to read: when what came, and what was decided."""

import json
from collections.abc import Iterator, Sequence

from voice_server.core.tape import Plain, RecordedStep, Tape, as_recorded

_STREAMED = {"ReplyWritten", "AudioProduced"}
"""Events that come in rows; a row of them is one line, as long as nothing but the usual follows."""
_USUAL = {"MessageChunk", "AudioOut", "Speak"}
_UNTOLD = {"data", "conversation_id", "message_id", "format", "rate_hz", "timing"}
_INDENT = " " * 11


def timeline(tape: Tape) -> Iterator[str]:
    """Lines: each event with its time in seconds, under it what followed. Ids without what all share."""
    for line in _lines(tape):
        yield line.replace(tape.title.beginning.seed or "\n", "")


def _lines(tape: Tape) -> Iterator[str]:
    row: list[tuple[RecordedStep, Plain]] = []
    for step in tape.steps:
        (event,) = as_recorded([step.event])
        is_plain = _name(event) in _STREAMED and set(map(_name, _told(step))) <= _USUAL
        if row and not (is_plain and _name(row[0][1]) == _name(event)):
            yield _row(row, tape)
            row = []
        if is_plain:
            row.append((step, event))
            continue
        yield f"{_seconds(step, tape)}  {in_words(event)}"
        for wish in _told(step):
            yield f"{_INDENT}→ {in_words(wish)}"
        if step.wishes is None:
            yield f"{_INDENT}→ it broke"
    if row:
        yield _row(row, tape)


def in_words(plain: Plain) -> str:
    """An event or a wish on one line: its name and its fields, the long ones left out."""
    name, content = _name(plain), _content(plain)
    match content:
        case {"basis": basis, **rest}:
            content = rest | _basis(basis)
        case {"message": {"text": text}, **rest}:
            content = {"text": text} | rest
    if "messages" in content:
        content = content | {"messages": len(content["messages"] or ())}
    fields = [
        f"{key}={_value(value)}"
        for key, value in content.items()
        if key not in _UNTOLD and value not in (None, {}, [])
    ]
    return " ".join([name, *fields])


def _told(step: RecordedStep) -> Sequence[Plain]:
    return step.wishes or ()


def _row(row: Sequence[tuple[RecordedStep, Plain]], tape: Tape) -> str:
    contents = [_content(event) for _, event in row]
    name, generation = _name(row[0][1]), contents[0]["generation"]
    if name == "ReplyWritten":
        told = _value("".join(content["text"] for content in contents))
    else:
        told = f"{sum(content['duration_ms'] for content in contents) / 1000:.2f} s"
    return f"{_seconds(row[0][0], tape)}  {name} ×{len(row)} generation={generation} {told}"


def _basis(basis: Plain) -> Plain:
    """Why a turn began when it did."""
    endpointing = basis.get("endpointing")
    told: dict[str, Plain] = {}
    if endpointing:
        told["after"] = f"{endpointing['wait_ms']:g} ms of silence ({', '.join(endpointing['reasons'])})"
    return told | {key: value for key, value in basis.items() if key != "endpointing"}


def _unwrapped(plain: Plain) -> tuple[str, Plain]:
    """`Show` and `Record` say nothing that what they hold does not."""
    ((name, content),) = plain.items()
    match content:
        case {"output": inner} | {"entry": inner}:
            return _unwrapped(inner)
    return name, content


def _name(plain: Plain) -> str:
    return _unwrapped(plain)[0]


def _content(plain: Plain) -> Plain:
    return _unwrapped(plain)[1]


def _value(value: Plain) -> str:
    if isinstance(value, float):
        return f"{value:.10g}" if value.is_integer() else f"{value:.2f}"
    return json.dumps(value, ensure_ascii=False)


def _seconds(step: RecordedStep, tape: Tape) -> str:
    return f"{(step.at - tape.steps[0].at) / 1000:9.3f}"
