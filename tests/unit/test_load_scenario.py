"""The scenario that Locust runs, and the engine's list of what it can do, must be one."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import operations
from support.playbooks import REPOSITORY

SCENARIO = REPOSITORY / "roles" / "locust" / "files" / "mlflow_scenario.py"
TREE = ast.parse(SCENARIO.read_text())


def named_operations() -> set[str]:
    """First arguments of ask(), read() and measured(), and what exists= names; with the sizes put in."""
    found = set()
    for node in ast.walk(TREE):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in ("ask", "read", "measured") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                found.add(str(first.value))
            elif isinstance(first, ast.JoinedStr):
                found.add("".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in first.values))
        for keyword in node.keywords:
            if keyword.arg == "exists" and isinstance(keyword.value, ast.Constant):
                found.add(str(keyword.value.value))
    return found | {"create_existing_registered_model"}  # through a variable


def test_every_measured_request_is_a_known_operation_and_every_operation_is_measured() -> None:
    patterns = [re.compile(name.replace("*", r"\w+") + "$") for name in named_operations()]
    unknown = [p.pattern for p in patterns if not any(p.match(name) for name in operations.OPERATIONS)]
    never = [name for name in operations.OPERATIONS if not any(p.match(name) for p in patterns)]
    assert (unknown, never) == ([], [])


def test_the_scenario_has_exactly_the_engines_tasks() -> None:
    (table,) = (
        node.value
        for node in TREE.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "TASKS"
    )
    assert isinstance(table, ast.Dict)
    assert [key.value for key in table.keys if isinstance(key, ast.Constant)] == list(operations.TASKS)


def test_every_operation_is_sent_by_a_task_and_every_task_sends_known_ones() -> None:
    sent = {name for task in operations.TASKS.values() for name in task.operations}
    assert sent | {operations.WAKE} == set(operations.OPERATIONS)


def test_both_workloads_do_something_and_the_reference_is_five_equal_tasks() -> None:
    assert set(operations.WORKLOADS["mixed"]) == set(operations.TASKS)
    assert set(operations.WORKLOADS["reference"].values()) == {1} and len(operations.WORKLOADS["reference"]) == 5


def test_a_weight_of_zero_takes_a_task_out_and_a_text_from_a_survey_is_a_number() -> None:
    chosen = operations.weights("reference", {"create_run": "0", "log_batch_10": "2.5"})
    assert "create_run" not in chosen and chosen["log_batch_10"] == 2.5
    with pytest.raises(BadInput, match="offered are mixed, reference"):
        operations.weights("everything")


def test_locust_is_pinned_in_one_place() -> None:
    pinned = yaml.safe_load((REPOSITORY / "roles/locust/defaults/main.yml").read_text())["locust_version"]
    lock = (REPOSITORY / "roles/locust/files/requirements.txt").read_text()
    assert re.findall(r"^locust==(\S+)", lock, re.MULTILINE) == [pinned]
