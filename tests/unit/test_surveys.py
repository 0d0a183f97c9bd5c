"""AWX surveys and `-e` pass strings: every variable of every role may be one, and what is rendered is the same."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

ROLES = sorted(path for path in (REPOSITORY / "roles").iterdir() if path.is_dir())
# Users of containers (0 is root there, and empty means that the cluster chooses), and versions (1.30 is not 1.3).
NO_NUMBERS = re.compile(r"_(run_as|version)$")


def options_of(role: Path) -> dict[str, Any]:
    return yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def scalars_of(role: Path) -> dict[str, Any]:
    """Numbers and booleans of a role, each with the default that its spec gives."""
    options = options_of(role)
    typed = {name: option for name, option in options.items() if option["type"] in ("int", "float", "bool")}
    return {name: option["default"] for name, option in typed.items() if not isinstance(option.get("default", ""), str)}


def as_string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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


@pytest.mark.parametrize("target", ["kubernetes", "compose_single_az"])
def test_what_strings_render_is_what_numbers_and_booleans_render(target: str, tmp_path: Path) -> None:
    given = {name: value for role in ROLES for name, value in scalars_of(role).items()}
    assert len(given) > 40
    shipped = yaml.safe_load((REPOSITORY / f"inventories/{target}/group_vars/mlflow.yml").read_text())
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    typed = {
        **given,
        **shipped,
        **local,
        "mlflow_backup_enabled": True,
        "mlflow_data_dir": "/srv/mlflow",
        "mlflow_server_memory_target": 80,
    }
    ways = {
        "typed": typed,
        "strings": {n: as_string(v) if isinstance(v, bool | int | float) else v for n, v in typed.items()},
    }
    hosts = {way: {**variables, "mlflow_render_dir": str(tmp_path / way)} for way, variables in ways.items()}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"mlflow": {"hosts": hosts}}))
    run = run_playbook(REPOSITORY / f"playbooks/{target}.yml", inventory, program=WITHOUT_FORKS)
    assert run.code == 0, run.message or run.output[-2000:]
    rendered = {
        way: {str(file.relative_to(tmp_path / way)): file.read_text() for file in (tmp_path / way).rglob("*.*")}
        for way in ways
    }
    assert len(rendered["typed"]) > 2 and set(rendered["strings"]) == set(rendered["typed"])
    for file, text in rendered["typed"].items():
        assert rendered["strings"][file].splitlines() == text.splitlines(), file
