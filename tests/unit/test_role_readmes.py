"""A role's README says what it takes and gives, and is what the tool writes."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("role_readmes", ROOT / "tools/role_readmes.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def facts(tasks: Any) -> Iterator[str]:
    for task in tasks or []:
        yield from task.get("ansible.builtin.set_fact") or {}
        for part in ("block", "rescue", "always"):
            yield from facts(task.get(part))


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request: pytest.FixtureRequest) -> Path:
    return request.param


def outputs_of(role: Path) -> dict[str, Any]:
    return yaml.safe_load((role / "meta/outputs.yml").read_text())["outputs"]


def test_the_readme_is_what_the_tool_writes(role: Path) -> None:
    assert tool().complete(role) == (role / "README.md").read_text(), "run make readmes"


def test_the_readme_has_a_playbook_every_variable_and_every_entry_point(role: Path) -> None:
    readme = (role / "README.md").read_text()
    assert "```yaml\n- hosts:" in readme
    for point in yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"].values():
        for name in point["options"]:
            assert f"\n| `{name}` |" in readme


def test_what_a_role_sets_for_others_is_documented_and_nothing_else_is(role: Path) -> None:
    files = sorted((role / "tasks").rglob("*.yml"))
    set_by_tasks = {name for file in files for name in facts(yaml.safe_load(file.read_text()))}
    assert {name for name in set_by_tasks if not name.startswith("_")} == set(outputs_of(role))


def test_outputs_carry_the_name_of_the_role_and_come_from_entry_points(role: Path) -> None:
    points = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    for name, output in outputs_of(role).items():
        assert name.startswith(f"{role.name}_")
        assert name not in points["main"]["options"], "an output is no variable"
        assert output["set_by"] and set(output["set_by"]) <= set(points)
        assert re.fullmatch(r"[A-Z].*\.", output["description"])


def test_a_variable_shows_its_type_its_default_and_its_choices() -> None:
    shown = tool().variable
    option = {"type": "list", "elements": "str", "default": [], "description": "Names, as P(mlops.mlflow.locust#role)."}
    assert shown("x_names", option) == "| `x_names` | list of str | `[]` | Names, as [`locust`](../locust/README.md). |"
    option = {"type": "str", "default": "{{ a | b }}", "choices": ["none", "basic"], "description": "C(none) or not."}
    assert shown("x", option) == r"| `x` | str | `{{ a \| b }}` | `none` or not. One of `none`, `basic`. |"
