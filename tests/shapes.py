"""The shapes of requests and answers, and whether one is only an addition to another.

`python -m tests.shapes` records what version 1 of the API looks like now, if that breaks nothing.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "data" / "snapshots" / "v1.json"
Shape = dict[str, Any]
"""By kind (`string`, `object`, …) what is known of it; several kinds where it may be one or the other."""


def shape_of_schema(schema: dict[str, Any], document: dict[str, Any]) -> Shape:
    """The shape that a schema of an OpenAPI document describes."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return shape_of_schema(document["components"]["schemas"][name], document)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            merged: Shape = {}
            for one in schema[word]:
                merged |= shape_of_schema(one, document)
            return merged
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {
                "object": {
                    "fields": {name: shape_of_schema(one, document) for name, one in sorted(fields.items())},
                    "required": sorted(schema.get("required", [])),
                }
            }
        case "array":
            return {"array": shape_of_schema(schema.get("items", {}), document)}
        case None:
            return {"anything": None}
        case kind:
            return {str(kind): None}


def shape_of_value(value: object) -> Shape:
    """The shape of a JSON value."""
    match value:
        case dict():
            fields = {name: shape_of_value(one) for name, one in sorted(value.items())}
            return {"object": {"fields": fields, "required": sorted(value)}}
        case list():
            return {"array": shape_of_value(value[0]) if value else {}}
        case None:
            return {"null": None}
        case bool():
            return {"boolean": None}
        case str():
            return {"string": None}
        case _:
            return {"number": None}


def breaches(old: Shape, new: Shape, where: str, *, is_request: bool) -> list[str]:
    """What of `new` breaks a client that knows `old`.

    An answer may gain fields and lose nothing; a request may gain what is optional and take all it took.
    """
    needed, given = (old, new) if is_request else (new, old)
    found = [f"{where} may be {kind}" for kind in needed if kind not in given and "anything" not in given]
    if is_request:
        found = [one.replace("may be", "may no longer be") for one in found]
    for kind in old.keys() & new.keys():
        if kind == "array":
            found += breaches(old[kind], new[kind], f"{where}[]", is_request=is_request)
        elif kind == "object":
            found += _object_breaches(old[kind], new[kind], where, is_request=is_request)
    return found


def _object_breaches(old: Shape, new: Shape, where: str, *, is_request: bool) -> list[str]:
    lost = old["fields"].keys() - new["fields"].keys()
    found = [f"{where}.{name} is gone" for name in sorted(lost)]
    if is_request:
        found += [f"{where}.{name} must be given" for name in new["required"] if name not in old["required"]]
    else:
        kept = new["fields"].keys()
        found += [
            f"{where}.{name} may be missing"
            for name in old["required"]
            if name in kept and name not in new["required"]
        ]
    for name in old["fields"].keys() & new["fields"].keys():
        inner = old["fields"][name], new["fields"][name]
        found += breaches(*inner, f"{where}.{name}", is_request=is_request)
    return found


def shapes_of(document: dict[str, Any]) -> dict[str, dict[str, Shape]]:
    """Of each operation of version 1: its parameters, its body and its answer."""
    found: dict[str, dict[str, Shape]] = {}
    for path, operations in document["paths"].items():
        if not path.startswith(("/api/v1/", "/v1/")):
            continue
        for method, operation in operations.items():
            parameters = operation.get("parameters", [])
            one: dict[str, Shape] = {
                "parameters": {
                    "object": {
                        "fields": {p["name"]: shape_of_schema(p["schema"], document) for p in parameters},
                        "required": sorted(p["name"] for p in parameters if p.get("required")),
                    }
                }
            }
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                one[f"body {kind}"] = shape_of_schema(content["schema"], document)
            for kind, content in operation["responses"]["200"].get("content", {}).items():
                one[f"answer {kind}"] = shape_of_schema(content.get("schema", {}), document)
            found[f"{method.upper()} {path}"] = one
    return found


def all_breaches(old: dict[str, dict[str, Shape]], new: dict[str, dict[str, Shape]]) -> list[str]:
    """What of the present version 1 breaks a client of the recorded one."""
    found = []
    for operation, parts in old.items():
        for part, shape in parts.items():
            where = f"{operation} {part}"
            if part not in new.get(operation, {}):
                found.append(f"{where} is gone")
            else:
                is_request = not part.startswith("answer")
                found += breaches(shape, new[operation][part], where, is_request=is_request)
    return found


def recorded() -> dict[str, dict[str, Shape]]:
    """Version 1 as it was promised."""
    found: dict[str, dict[str, Shape]] = json.loads(FILE.read_text("utf-8"))
    return found


async def present() -> dict[str, dict[str, Shape]]:
    """Version 1 as a running server tells it, and as it streams."""
    from tests.wire.rig import serving

    async with serving() as served, served.rest() as http:
        found = shapes_of((await http.get("/openapi.json")).json())
        body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "layout": "simple"}
        for path in ("/api/v1/chat/completions", "/v1/chat/completions/stream"):
            lines = (await http.post(path, json=body)).text.split("\n\n")
            first, last = json.loads(lines[0][6:]), json.loads(lines[-3][6:])
            found[f"POST {path}"] |= {
                "answer event": shape_of_value(first),
                "answer last event": shape_of_value(last),
            }
    return found


def record() -> None:
    """Write down what there is now."""
    now = asyncio.run(present())
    if FILE.exists() and (broken := all_breaches(recorded(), now)):
        sys.exit("Not recorded, for this would break clients of version 1:\n" + "\n".join(broken))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    record()
