"""AWX surveys and `-e` pass strings: every variable of every role may be one, and what is rendered is the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from support.rendered.surveys import ROLES, TARGETS, as_string, options_of, scalars_of

# Users of containers (0 is root there, and empty means that the cluster chooses), and versions (1.30 is not 1.3).
NO_NUMBERS = re.compile(r"_(run_as|version)$")


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_numbers_are_numbers(role: Path) -> None:
    for name, option in options_of(role).items():
        if not NO_NUMBERS.search(name) and option["type"] == "str":
            assert not re.fullmatch(r"-?\d+(\.\d+)?", str(option.get("default"))), f"{name} is a number"


def test_the_arguments_of_a_role_may_be_strings(role: Path) -> None:
    strings = {name: as_string(value) for name, value in scalars_of(role).items()}
    # Of an option that follows another one, nothing is known here.
    options = {name: option for name, option in options_of(role).items() if "{{" not in str(option.get("default"))}
    result = ArgumentSpecValidator(options).validate(strings)
    assert result.error_messages == []
    assert {name: result.validated_parameters[name] for name in strings} == scalars_of(role)


def test_a_number_that_is_none_is_refused(role: Path) -> None:
    numbers = [name for name, value in scalars_of(role).items() if not isinstance(value, bool)]
    for name in numbers:
        result = ArgumentSpecValidator(options_of(role)).validate({name: "many"})
        assert any(name in message for message in result.error_messages), name


@pytest.mark.parametrize("target", TARGETS)
def test_what_strings_render_is_what_numbers_and_booleans_render(
    target: str, surveyed: dict[str, dict[str, dict[str, str]]]
) -> None:
    typed, strings = surveyed[target]["typed"], surveyed[target]["strings"]
    assert len(typed) > 2 and set(strings) == set(typed)
    for file, text in typed.items():
        assert strings[file].splitlines() == text.splitlines(), file
