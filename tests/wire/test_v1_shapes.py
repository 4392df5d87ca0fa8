"""Within version 1 of the API there are only additions."""

import copy

import pytest

from tests.shapes import Shape, all_breaches, breaches, present, recorded


async def test_version_1_only_grows() -> None:
    now = await present()
    assert all_breaches(recorded(), now) == []
    unrecorded = sorted(
        f"{operation} {part}"
        for operation, parts in now.items()
        for part in parts
        if part not in recorded().get(operation, {})
    )
    assert not unrecorded, "record them: python -m tests.shapes"


def thing(required: tuple[str, ...] = ("id", "size"), **fields: Shape) -> Shape:
    known: Shape = {"id": {"string": None}, "size": {"integer": None, "null": None}}
    return {"object": {"fields": known | fields, "required": list(required)}}


def without(shape: Shape, name: str) -> Shape:
    less = copy.deepcopy(shape)
    del less["object"]["fields"][name]
    less["object"]["required"].remove(name)
    return less


@pytest.mark.parametrize(
    ("new", "breaks_requests", "breaks_answers"),
    [
        (thing(), False, False),
        (thing(more={"string": None}), False, False),
        (thing(("id", "size", "more"), more={"string": None}), True, False),
        (without(thing(), "id"), True, True),
        (thing(("id",)), False, True),
        (thing(size={"integer": None}), True, False),
        (thing(size={"integer": None, "null": None, "string": None}), False, True),
        (thing(id={"integer": None}), True, True),
        ({"array": thing()}, True, True),
    ],
)
def test_what_counts_as_a_breach(new: Shape, breaks_requests: bool, breaks_answers: bool) -> None:
    assert bool(breaches(thing(), new, "it", is_request=True)) is breaks_requests
    assert bool(breaches(thing(), new, "it", is_request=False)) is breaks_answers
