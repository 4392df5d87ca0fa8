"""How a prompt is made of a template."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_server.errors import ProtocolError
from voice_server.services.templates import read_templates, render, variables_of
from voice_server.settings import packaged_file
from voice_server.store.templates import Template

BUILTIN = read_templates(packaged_file("templates.toml").read_text("utf-8"))


def template(prompt: str, **defaults: str) -> Template:
    return Template("mine", "Mine", "", prompt, variables=variables_of(prompt), defaults=defaults)


def test_variables_are_put_in_and_defaults_where_they_are_left_out() -> None:
    one = template("Be {tone}. You work for {company}.", tone="kind")
    assert render(one, {"company": "Acme"}) == "Be kind. You work for Acme."
    assert render(one, {"company": "Acme", "tone": "brief"}) == "Be brief. You work for Acme."


@pytest.mark.parametrize(
    ("variables", "code"),
    [({}, "missing_variable"), ({"company": "Acme", "colour": "red"}, "unknown_variable")],
)
def test_what_is_missing_or_unknown_is_named(variables: dict[str, str], code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        render(template("You work for {company}."), variables)
    assert refused.value.code == code
    assert ("company" if code == "missing_variable" else "colour") in refused.value.message


@pytest.mark.parametrize(
    "value", ["{other}", "{company.__class__}", "{0}", "{{company}}", "%s", "{company!r}", "\\1 \\g<0>"]
)
def test_a_value_is_only_ever_text(value: str) -> None:
    one = template("You work for {company}, not for {other}.", other="us")
    assert render(one, {"company": value}) == f"You work for {value}, not for us."


def test_other_braces_stay() -> None:
    prompt = 'Answer as {"name": {name}, "size": {}, {0} {a.b} {c!r}}'
    assert variables_of(prompt) == ("name",)
    assert render(template(prompt), {"name": "x"}) == prompt.replace("{name}", "x")


@given(st.text())
def test_any_text_is_a_prompt(prompt: str) -> None:
    names = variables_of(prompt)
    assert render(template(prompt), dict.fromkeys(names, "x")) is not None


def test_the_built_in_ones_work_as_they_are() -> None:
    assert [one.name for one in BUILTIN] == [
        "standard_assistant",
        "expert_assistant",
        "customer_support_assistant",
    ]
    for one in BUILTIN:
        prompt = render(one, {})
        assert "{" not in prompt
        assert set(one.variables) == set(variables_of(one.system_prompt)) == set(one.defaults)
        assert "additional_instructions" in one.variables
        more = render(one, {"additional_instructions": "Rhyme."})
        assert more.startswith(prompt)
        assert more.endswith("\nRhyme.")
